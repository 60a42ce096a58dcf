"""How many checks a second one worker answers, against a FastAPI endpoint that does nothing."""

import json
import statistics
from pathlib import Path

from benchmarks import load, serving
from benchmarks.report import Result
from consent_service.settings import Settings

ROUNDS = 3
SECONDS = 4.0
LIKENESSES = 1000


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
    refused = sum(each.refused for runs in rounds.values() for each in runs)
    return [
        _result(name, rounds, f"{LIKENESSES} grants, SQLite, 16 connections, {refused} answers not 200")
        for name in ("allow", "deny")
    ]


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
