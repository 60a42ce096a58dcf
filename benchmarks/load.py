"""A small keep-alive HTTP/1.1 load generator for loopback, so that no outside tool is needed.

In: a port, one prepared request, connections, a time. Out: throughput and latency of finished answers.
It runs in its own event loop beside the server's process; with two cores each side has one.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Load:
    """What one load run showed.

    Attributes:
        answers: Finished answers counted.
        per_second: Answers per second of wall time.
        p50_ms: Median latency, milliseconds.
        p99_ms: 99th percentile latency, milliseconds.
        refused: Answers whose status was not 200.
    """

    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


@dataclass(slots=True)
class _Tally:
    latencies: list[float] = field(default_factory=list)
    refused: int = 0


def request(path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """Return one HTTP/1.1 request, POST when it has a body."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def run(port: int, prepared: bytes, *, connections: int = 16, seconds: float = 5.0) -> Load:
    """Send `prepared` over and over for `seconds` on so many connections.

    Raises:
        OSError: The server cannot be reached.
    """
    return asyncio.run(_run(port, prepared, connections, seconds))


async def _run(port: int, prepared: bytes, connections: int, seconds: float) -> Load:
    tally = _Tally()
    started = time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(_connection(port, prepared, until, tally) for _ in range(connections)))
    spent = time.perf_counter() - started
    ranked = sorted(tally.latencies)
    return Load(
        answers=len(ranked),
        per_second=len(ranked) / spent,
        p50_ms=1000 * statistics.median(ranked),
        p99_ms=1000 * ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
        refused=tally.refused,
    )


async def _connection(port: int, prepared: bytes, until: float, tally: _Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (began := time.perf_counter()) < until:
            writer.write(prepared)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_content_length(head))
            tally.latencies.append(time.perf_counter() - began)
            tally.refused += not head.startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
        await writer.wait_closed()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":", 1)[1])
    message = "the answer names no content-length"
    raise ValueError(message)
