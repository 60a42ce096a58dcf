"""Prints results as a table and keeps them as JSON and Markdown, with machine and versions beside them."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its baseline.

    Attributes:
        name: What was done.
        value: Median of the samples, in `unit`.
        unit: Unit of `value` and `baseline_value`.
        baseline: What it is compared with, measured in the same run.
        baseline_value: Median of the baseline's samples.
        samples: How many times each was measured.
        note: What a reader must know to trust the figure.
    """

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    samples: int
    note: str = ""

    @property
    def ratio(self) -> float:
        """Value over baseline."""
        return self.value / self.baseline_value


def median_seconds(work: Callable[[], object], runs: int) -> float:
    """Return the median wall time of `runs` calls, seconds."""
    taken = []
    for _ in range(runs):
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return statistics.median(taken)


def machine() -> dict[str, str]:
    """Return what a reader needs to place the figures: processors, system, Python, libraries, commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
        **{name: version(name) for name in ("fastapi", "uvicorn", "av", "c2pa-python", "onnxruntime")},
    }


def publish(results: Sequence[Result]) -> None:
    """Print the results and write `results/latest.json` and `results/latest.md`."""
    table = Table(title="benchmarks (medians)")
    for column in ("what", "value", "baseline", "ratio", "samples"):
        table.add_column(column)
    for row in _rows(results):
        table.add_row(*row)
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    about = machine()
    document = {"machine": about, "results": [{**asdict(r), "ratio": round(r.ratio, 3)} for r in results]}
    (RESULTS / "latest.json").write_text(json.dumps(document, indent=2) + "\n")
    (RESULTS / "latest.md").write_text(_markdown(results, about))


def _rows(results: Sequence[Result]) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            r.name,
            f"{r.value:.4g} {r.unit}",
            f"{r.baseline}: {r.baseline_value:.4g} {r.unit}",
            f"{r.ratio:.2f}",
            str(r.samples),
        )
        for r in results
    ]


def _markdown(results: Sequence[Result], about: dict[str, str]) -> str:
    head = "| what | value | baseline in the same run | ratio | samples |\n|---|---|---|---|---|\n"
    body = "".join("| " + " | ".join(row) + " |\n" for row in _rows(results))
    notes = "".join(f"- {r.name}: {r.note}\n" for r in results if r.note)
    where = ", ".join(f"{key} {value}" for key, value in about.items())
    return f"# Benchmark results\n\nMedians. Machine: {where}.\n\n{head}{body}\n{notes}"
