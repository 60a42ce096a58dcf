"""`consent-service models`: fetch, list and verify the model files.

In: the operator's settings. Out: lines for people, a table, and an exit status: 0 when all is well, 1 when a
file is missing or broken, 2 when fetching failed.
"""

from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Column, Table

from consent_service.biometrics import pull as pulling
from consent_service.biometrics.registry import Group, Model, ModelRegistry
from consent_service.kernel.errors import ConsentError
from consent_service.settings import Settings

app = typer.Typer(name="models", help="Fetch, list and verify the model files.", no_args_is_help=True)

_COLOURS: Final = {"verified": "green", "missing": "yellow", "broken": "red"}
_NEGATIVE: Final = 1
_COULD_NOT: Final = 2


class GroupName(StrEnum):
    """A group of models, as named on the command line."""

    SERVICE = "service"
    STUDIO = "studio"


GroupOption = Annotated[
    list[GroupName] | None, typer.Option("--group", help="Which models; may be given several times.")
]


@app.command("pull")
def pull_models(group: GroupOption = None) -> None:
    """Fetch what is missing, check every byte, and put it in place."""
    try:
        registry = ModelRegistry.from_settings(Settings())
        wanted = pulling.missing(registry, registry.models(_groups(group, GroupName.SERVICE)))
        _pull_with_bars(registry, wanted)
    except ConsentError as error:
        typer.echo(f"error: {error.detail}", err=True)
        raise typer.Exit(_COULD_NOT) from error
    typer.echo(f"{len(wanted)} fetched; models are complete in {registry.directory}")


@app.command("list")
def list_models(group: GroupOption = None) -> None:
    """Show every model: what it is for, its licence, where it comes from, and whether it is here."""
    registry = ModelRegistry.from_settings(Settings())
    table = Table(*(Column(name, no_wrap=True) for name in ("model", "state", "package")), "for and licence")
    for model in registry.models(_groups(group, *GroupName)):
        table.add_row(model.id, _state(registry, model), _origin(model), f"{model.purpose}; {model.licence}")
    Console().print(table)


@app.command("verify")
def verify_models(group: GroupOption = None) -> None:
    """Hash every file again; exit 1 when one is missing or not what it must be."""
    registry = ModelRegistry.from_settings(Settings())
    bad = 0
    for model in registry.models(_groups(group, GroupName.SERVICE)):
        state = registry.state(model.id)
        bad += state != "verified"
        typer.echo(f"{state:9} {model.id}")
    if bad:
        typer.echo("run `consent-service models pull`", err=True)
        raise typer.Exit(_NEGATIVE)


def _groups(chosen: list[GroupName] | None, *default: GroupName) -> frozenset[Group]:
    return frozenset(name.value for name in chosen or default)


def _state(registry: ModelRegistry, model: Model) -> str:
    state = registry.state(model.id)
    return f"[{_COLOURS[state]}]{state}[/]" + (" (own)" if registry.overridden(model.id) else "")


def _origin(model: Model) -> str:
    return f"{model.archive.name} {model.archive.version}"


def _pull_with_bars(registry: ModelRegistry, wanted: tuple[Model, ...]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        archives = {model.archive.name: model.archive for model in wanted}
        tasks = {name: bars.add_task(name, total=archive.size) for name, archive in archives.items()}
        pulling.pull(registry, wanted, lambda name, count: bars.update(tasks[name], completed=count))
