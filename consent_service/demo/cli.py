"""`consent-service demo`: tell the story, leave its files behind, end with 0 only if all of it held.

In: where files land, whether a machine reads along. Out: the story on the console (on standard error when the
summary goes to standard output), `summary.json`, an exit status: 0 well, 1 an expectation did not hold or a
step could not be done.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from consent_service.demo.report import Narrator
from consent_service.demo.story import Ending, tell_story

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

_TERMINATED: Final = 128 + signal.SIGTERM
_CLOSING: Final = """\
[bold]All of it held.[/] In [cyan]{out}[/] lie the cameos, the attacks, the generated and the published clip,
the tampered and the re-encoded copy, the service's log and its data.

Start the service
  [cyan]make serve[/], then [cyan]http://127.0.0.1:8000/[/] (API: /docs, log: /v1/log/checkpoint)
Verify the published file as a stranger does
  [cyan]{bin}/provenance verify {out}/published.mp4 --trust {out}/service/keys/pki[/]
Find the watermark in the re-encoded copy
  [cyan]{bin}/provenance detect {out}/reencoded.mp4 --keys {out}/service/keys[/]
Read how it works
  README.md, docs/
"""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("demo-out"),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Tell the whole story on real media, against a service started for it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))  # the service must end with the story
    console = Console(stderr=as_json, highlight=False)
    ending = tell_story(Narrator(console), out)
    text = json.dumps(ending.summary, indent=2, ensure_ascii=False)
    (out / "summary.json").write_text(text + "\n")
    if as_json:
        typer.echo(text)
    _close(console, ending, out)


def _close(console: Console, ending: Ending, out: Path) -> None:
    if ending.failure is not None:
        console.print(f"[bold red]It did not hold.[/] {ending.failure}", markup=True)
        console.print(f"The service's log is {out}/service.log")
        raise typer.Exit(1)
    console.print(_CLOSING.format(out=out, bin=_programs()), soft_wrap=True)


def _programs() -> Path:
    """Return where this environment's commands lie, short if it is below the working folder."""
    programs, here = Path(sys.executable).absolute().parent, Path.cwd()
    return programs.relative_to(here) if programs.is_relative_to(here) else programs
