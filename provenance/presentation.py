"""How the command line shows answers to people: short tables, every word of them also in the JSON.

In: reports and verdicts. Out: text on a console.
"""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from provenance.answer import Answer
from provenance.verdict import Verdict, VerdictState
from provenance.watermark import DetectionReport, MarkReport

_STATES = {
    VerdictState.VERIFIED: "as signed, by a signer we trust",
    VerdictState.UNTRUSTED: "signed by someone we do not trust",
    VerdictState.TAMPERED: "changed since it was signed",
    VerdictState.RECOVERED: "a copy; its mark led back to a trusted manifest",
    VerdictState.MISMATCH: "carries a mark that belongs to other content",
    VerdictState.UNRESOLVED: "carries a mark for which no manifest is known",
    VerdictState.MALFORMED: "cannot be parsed",
    VerdictState.NO_CREDENTIALS: "no manifest and no mark; this does not say where it comes from",
}
_COLORS = {Answer.YES: "green", Answer.NO: "red", Answer.UNKNOWN: "yellow"}


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Show a verdict."""
    color = "green" if verdict.good else "red"
    console.print(f"[bold {color}]{verdict.state}[/]: {_STATES[verdict.state]}")
    table = _table()
    for name in ("intact", "trusted", "marked", "consented"):
        answer: Answer = getattr(verdict, name)
        table.add_row(name, f"[{_COLORS[answer]}]{answer}[/]")
    lineage = verdict.lineage
    table.add_row("lineage", f"[{_COLORS[lineage.sound]}]{lineage.state}[/]")
    table.add_row("manifest", verdict.manifest_id or "-")
    table.add_row("reasons", ", ".join(verdict.reasons) or "-")
    console.print(table)


def show_detection(console: Console, report: DetectionReport) -> None:
    """Show what was detected."""
    table = _table()
    for name, found in (("picture", report.video), ("sound", report.audio)):
        if found is None:
            table.add_row(name, "not present")
        elif found.payload is None:
            table.add_row(name, f"no mark (score {found.score:.1f})")
        else:
            table.add_row(name, f"{found.payload.hex()} (epoch {found.epoch}, score {found.score:.1f})")
    console.print(table)


def show_mark(console: Console, report: MarkReport) -> None:
    """Show what was embedded and how well it reads."""
    table = _table()
    table.add_row("identifier", report.payload.hex())
    if report.video is not None:
        quality = f"{report.video.psnr_y_db:.1f} dB PSNR, SSIM {report.video.ssim:.4f}"
        table.add_row("picture", f"{_readable(report.video.readable)}, {quality}")
    sound = _readable(report.audio.readable) if report.audio is not None else report.audio_reason
    table.add_row("sound", sound or "-")
    console.print(table)


def show_signed(console: Console, summary: Mapping[str, object]) -> None:
    """Show what was signed."""
    table = _table()
    for name, value in summary.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    console.print(table)


def _readable(readable: bool) -> str:
    return "marked, reads back" if readable else "[red]marked, does not read back[/]"


def _table() -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
