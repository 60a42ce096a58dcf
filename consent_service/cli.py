"""`consent-service`: everything an operator does from a shell.

In: arguments and `CONSENT_*` settings. Out: text on standard output; errors as one line on standard error and
exit status 2. Heavy modules are imported by the command that needs them, so that `--help` is quick.
"""
# ruff: noqa: PLC0415  # imports inside commands are the point here

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consent_service.kernel.errors import ConsentError, UnavailableError
from consent_service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmodel import Session

    from consent_service.accounts.service import AccountService

app = typer.Typer(
    help="Likeness consent, checked before every use.", no_args_is_help=True, pretty_exceptions_enable=False
)
relying_party = typer.Typer(help="Platforms that ask for consent and publish clips.", no_args_is_help=True)
person = typer.Typer(help="People whose likeness it is.", no_args_is_help=True)
moderator = typer.Typer(help="People who decide cases.", no_args_is_help=True)
app.add_typer(relying_party, name="relying-party")
app.add_typer(person, name="person")
app.add_typer(moderator, name="moderator")
COULD_NOT: Final = 2
_PASS_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def init() -> None:
    """Make folders, keys and database where they are missing; touch nothing that exists."""
    from consent_service.container import initialise

    settings = Settings()
    for name in initialise(settings):
        typer.echo(f"made {name}")
    typer.echo(f"ready in {settings.data_dir}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API; runs the jobs too unless CONSENT_EMBEDDED_WORKER is false."""
    import uvicorn

    from consent_service.container import build, initialise
    from consent_service.main import create_app
    from consent_service.web import logs

    settings = Settings()
    logs.configure()
    initialise(settings)
    uvicorn.run(
        create_app(settings, build(settings)),
        host=host,
        port=port,
        log_config=None,
        # A model that loads can hold the interpreter for seconds; kept connections must outlast that.
        timeout_keep_alive=75,
        access_log=False,
        server_header=False,
    )


@app.command()
def worker() -> None:
    """Run the durable jobs without serving; use with CONSENT_EMBEDDED_WORKER=false in `serve`."""
    from consent_service.web import logs
    from consent_service.worker import run

    logs.configure()
    run(Settings())


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from consent_service.main import create_app

    typer.echo(json.dumps(create_app(Settings()).openapi(), indent=2, sort_keys=True, ensure_ascii=False))


@relying_party.command("create")
def create_relying_party(
    name: str, webhook: Annotated[str | None, typer.Option(help="Where notices go.")] = None
) -> None:
    """Create a relying party and print its id and secrets, once."""
    with _accounts() as (session, accounts):
        party_id, key, secret = accounts.create_relying_party(session, name, webhook)
    _show(relying_party_id=party_id, api_key=key, webhook_secret=secret)


@person.command("create")
def create_person() -> None:
    """Create a person and print id and API key, once."""
    with _accounts() as (session, accounts):
        person_id, key = accounts.create_person(session)
    _show(person_id=person_id, api_key=key)


@moderator.command("create")
def create_moderator(name: str) -> None:
    """Create a moderator and print id and API key, once."""
    with _accounts() as (session, accounts):
        moderator_id, key = accounts.create_moderator(session, name)
    _show(moderator_id=moderator_id, api_key=key)


@app.command("models", context_settings=_PASS_ON)
def models(context: typer.Context) -> None:
    """Fetch, list and verify the model files."""
    from consent_service.biometrics.cli import app as models_app

    models_app(args=context.args, prog_name="consent-service models")


@app.command("policy", context_settings=_PASS_ON)
def policy(context: typer.Context) -> None:
    """List the policies and try them against their cases."""
    from consent_service.policy.cli import app as policy_app

    policy_app(args=context.args, prog_name="consent-service policy")


@app.command("demo", context_settings=_PASS_ON)
def demo(context: typer.Context) -> None:
    """Tell the whole story on real media, against a service started for it (`--out`, `--json`)."""
    import importlib

    # The demo stands beside the command line, not below it, and needs the extra `studio`.
    try:
        story = importlib.import_module("consent_service.demo.cli")
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "studio_missing", f"the demo needs the extra `studio` (`{error.name}` is not installed)"
        ) from error
    story.app(args=context.args, prog_name="consent-service demo")


@contextmanager
def _accounts() -> "Iterator[tuple[Session, AccountService]]":
    """Open one transaction on the accounts of the configured service."""
    from consent_service.container import build
    from consent_service.db.session import transaction

    container = build(Settings())
    try:
        with transaction(container.engine) as session:
            yield session, container.accounts
    finally:
        container.close()


def _show(**values: str | None) -> None:
    """Print `name: value` lines; secrets are shown here and nowhere else."""
    for name, value in values.items():
        if value is not None:
            typer.echo(f"{name}: {value}")


def main() -> None:
    """Run the command line: one line on standard error and status 2 when something cannot be done."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        app()
    except ConsentError as error:
        sys.stderr.write(f"consent-service: {error.detail} ({error.code})\n")
        sys.exit(COULD_NOT)
    except ValidationError as error:
        fields = ", ".join(f"CONSENT_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        sys.stderr.write(f"consent-service: a setting cannot be used: {fields}\n")
        sys.exit(COULD_NOT)
    except SQLAlchemyError as error:  # its message may quote the address with the password in it
        sys.stderr.write(f"consent-service: the database cannot be used ({type(error).__name__})\n")
        sys.exit(COULD_NOT)
    except OSError as error:
        sys.stderr.write(f"consent-service: {error.strerror or type(error).__name__}\n")
        sys.exit(COULD_NOT)
