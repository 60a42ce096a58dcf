"""How the story is told: steps, evidence, expectations, bars; and the same for machines.

In: what the steps have to say. Out: lines on a console, and a summary as plain JSON values. An expectation
that does not hold ends the story there: what follows would rest on it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

_LABEL_WIDTH: Final = 26


class UnmetExpectationError(Exception):
    """Something the story promises did not happen."""

    def __init__(self, claim: str) -> None:
        super().__init__(claim)
        self.claim = claim


@dataclass(slots=True)
class StepRecord:
    """What one step showed.

    Attributes:
        evidence: Label to value, as printed.
        expectations: Claim to whether it held.
    """

    number: int
    title: str
    evidence: dict[str, Any] = field(default_factory=dict)
    expectations: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    ok: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "step": self.number,
            "title": self.title,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "expectations": self.expectations,
            "evidence": self.evidence,
        }


class Bar:
    """A running progress bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, saying: str | None = None) -> None:
        """Move on by one, perhaps saying what comes next."""
        self._progress.advance(self._task)
        self.say(saying)

    def say(self, saying: str | None) -> None:
        """Say what is being done."""
        if saying is not None:
            self._progress.update(self._task, description=saying)


class Narrator:
    """Tells the story on a console and remembers it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: list[StepRecord] = []

    @property
    def _now(self) -> StepRecord:
        return self.steps[-1]

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Tell one step; it is well when the block ends without an error."""
        self.console.rule(f"[bold]{number}. {escape(title)}", align="left")
        record = StepRecord(number, title)
        self.steps.append(record)
        begin = time.monotonic()
        try:
            yield
            record.ok = True
        finally:
            record.seconds = time.monotonic() - begin
        self.console.print(f"   [dim]{record.seconds:.1f} s[/]\n")

    def say(self, sentence: str) -> None:
        """Say what happens."""
        self.console.print(f"   {escape(sentence)}")

    def show(self, label: str, value: object) -> None:
        """Show a piece of evidence, and keep it."""
        self._now.evidence[label] = value
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        line = Table.grid(padding=(0, 1))
        line.add_column(width=4)
        line.add_column(width=_LABEL_WIDTH, style="dim")
        line.add_column(overflow="fold")
        line.add_row("", escape(label), escape(text))
        self.console.print(line, highlight=False)

    def expect(self, claim: str, holds: bool) -> None:
        """Check a promise of the story.

        Raises:
            UnmetExpectationError: It does not hold.
        """
        self._now.expectations[claim] = holds
        mark = "[green]✓[/]" if holds else "[red]✗[/]"
        self.console.print(f"     {mark} {escape(claim)}")
        if not holds:
            raise UnmetExpectationError(claim)

    def expect_reasons(self, claim: str, reasons: Sequence[str], *wanted: str) -> None:
        """Check that at least one of the wanted reason codes is there."""
        self.show(claim, list(reasons))
        self.expect(f"{claim}: {' or '.join(wanted)}", bool(set(reasons) & set(wanted)))

    @contextmanager
    def bar(self, doing: str, total: int) -> Iterator[Bar]:
        """Show a bar while the block runs; it vanishes afterwards."""
        columns = (
            SpinnerColumn(),
            TextColumn("   {task.description:<44}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
        )
        quiet = not self.console.is_terminal  # a log keeps the story, not the waiting
        with Progress(*columns, console=self.console, transient=True, disable=quiet) as progress:
            yield Bar(progress, progress.add_task(doing, total=total))
