"""How many checks a second one worker answers, and how soon a withdrawal is seen.

Baselines: a FastAPI endpoint that does nothing; a bare durable commit of SQLite.
"""

import json
import sqlite3
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks import load, serving
from benchmarks.report import Result, median_seconds
from consent_service.settings import Settings

ROUNDS = 3
SECONDS = 4.0
LIKENESSES = 1000
WITHDRAWALS = 50


def measure(folder: Path) -> list[Result]:
    """Run service and baseline in turn; return throughput and tail latency of allowed and denied checks."""
    settings = Settings(data_dir=folder / "checks", models_dir=Settings().models.resolve())
    seeded = serving.seed(settings, LIKENESSES)
    rounds: dict[str, list[load.Load]] = {"noop": [], "allow": [], "deny": []}
    with serving.noop() as baseline, serving.service(settings) as port:
        for number in range(ROUNDS):
            likeness = seeded.likeness_ids[number * 7 % LIKENESSES]
            rounds["noop"].append(load.run(baseline, load.request("/noop", body=b"{}"), seconds=SECONDS))
            for name, purpose in (("allow", "entertainment"), ("deny", "advertising")):
                question = _question(seeded.api_key, likeness, purpose)
                rounds[name].append(load.run(port, question, seconds=SECONDS))
        withdrawals = [_withdraw(port, seeded.api_key, likeness, *grant) for likeness, grant in _last(seeded)]
    refused = sum(each.refused for runs in rounds.values() for each in runs)
    return [
        _result(name, rounds, f"{LIKENESSES} grants, SQLite, 16 connections, {refused} answers not 200")
        for name in ("allow", "deny")
    ] + [_withdrawal_result(withdrawals, folder)]


def _last(seeded: serving.Seeded) -> list[tuple[str, tuple[str, str]]]:
    pairs = list(zip(seeded.likeness_ids, seeded.grants, strict=True))
    return pairs[-WITHDRAWALS:]


def _withdraw(
    port: int, api_key: str, likeness_id: str, person_key: str, grant_id: str
) -> tuple[float, bool]:
    """Withdraw a grant; return the seconds until the status list was fetched, and if a check then denied."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        began = time.perf_counter()
        mine = {"Authorization": f"Bearer {person_key}"}
        client.post(f"/v1/grants/{grant_id}/revoke", headers=mine).raise_for_status()
        client.get("/v1/status-lists/0").raise_for_status()
        seconds = time.perf_counter() - began
        body = {
            "likeness_id": likeness_id,
            "requester_id": "user-1",
            "uses": ["face"],
            "purpose": "entertainment",
        }
        theirs = {"Authorization": f"Bearer {api_key}"}
        answer = client.post("/v1/checks", json=body, headers=theirs).raise_for_status().json()
    return seconds, answer["decision"] == "deny"


def _withdrawal_result(withdrawals: Sequence[tuple[float, bool]], folder: Path) -> Result:
    seconds = [each for each, _ in withdrawals]
    denied = sum(each for _, each in withdrawals)
    return Result(
        name="withdraw and fetch the status list that carries it",
        value=statistics.median(seconds),
        unit="s",
        baseline="a bare durable SQLite commit",
        baseline_value=_commit_seconds(folder),
        samples=len(seconds),
        note=f"slowest {max(seconds):.3f} s; the very next check denied in {denied} of {len(seconds)}",
    )


def _commit_seconds(folder: Path) -> float:
    """Return the median time of a one-row commit with WAL and `synchronous=FULL` on the same disk."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    try:
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE t (n INTEGER)"):
            connection.execute(statement)
        return median_seconds(lambda: connection.execute("INSERT INTO t VALUES (1)"), WITHDRAWALS)
    finally:
        connection.close()


def _question(api_key: str, likeness_id: str, purpose: str) -> bytes:
    body = {"likeness_id": likeness_id, "requester_id": "user-1", "uses": ["face"], "purpose": purpose}
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    return load.request("/v1/checks", body=json.dumps(body).encode(), headers=headers)


def _result(name: str, rounds: dict[str, list[load.Load]], note: str) -> Result:
    p99 = statistics.median(each.p99_ms for each in rounds[name])
    return Result(
        name=f"check, {name}, throughput",
        value=statistics.median(each.per_second for each in rounds[name]),
        unit="1/s",
        baseline="FastAPI no-op",
        baseline_value=statistics.median(each.per_second for each in rounds["noop"]),
        samples=ROUNDS,
        note=f"{note}; p99 {p99:.1f} ms" + ("; every denial is a durable log entry" * (name == "deny")),
    )
