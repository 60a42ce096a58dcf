"""Step 1: everything the story needs, set up as an operator would: models, keys, database, a running service.

In: an output folder. Out: a `Stage` with the studio, a platform that is registered and listening, and the
log's first head. The service runs in a process of its own on a free port of this machine and ends with the
story.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from consent_service.biometrics.registry import ModelRegistry
from consent_service.demo.client import Caller
from consent_service.demo.notices import NoticeBoard
from consent_service.demo.report import Narrator
from consent_service.demo.studio import Studio
from consent_service.kernel.errors import UnavailableError
from consent_service.settings import Settings

_COMMAND: Final = [sys.executable, "-c", "from consent_service.cli import main; main()"]
_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What the steps share.

    Attributes:
        out: Where files land.
        url: Of the running service.
        studio: Composes recordings.
        platform: The relying party, calling with its key.
        platform_id: Its identifier.
        stranger: Somebody without a key.
        notices: The platform's webhook endpoint.
        first_head: The log's signed checkpoint before anything happened.
        log_key: What checks checkpoints, kept from the first visit.
    """

    out: Path
    url: str
    studio: Studio
    platform: Caller
    platform_id: str
    stranger: Caller
    notices: NoticeBoard
    first_head: str
    log_key: str


@contextmanager
def set_up(tell: Narrator, out: Path) -> Iterator[Stage]:
    """Build the stage; everything ends with the context.

    Raises:
        UnavailableError: A model is missing, or the service does not start.
    """
    settings = Settings()
    models = ModelRegistry.from_settings(settings)
    _check_models(tell, models)
    data = out / "service"
    _clear(out)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "CONSENT_DATA_DIR": str(data.resolve()),
        "CONSENT_MODELS_DIR": str(settings.models.resolve()),
        "CONSENT_PUBLIC_URL": url,
    }
    made = [line for line in _operate(environment, "init").splitlines() if line.startswith("made ")]
    tell.show("made", [line.removeprefix("made ") for line in made])
    with NoticeBoard() as notices, _service(environment, port, out / "service.log"):
        party = _fields(
            _operate(environment, "relying-party", "create", "Example Platform", "--webhook", notices.url)
        )
        notices.trust(party["webhook_secret"])
        stranger = Caller(url)
        stage = Stage(
            out=out,
            url=url,
            studio=Studio(models),
            platform=Caller(url, party["api_key"]),
            platform_id=party["relying_party_id"],
            stranger=stranger,
            notices=notices,
            first_head=stranger.fetch("/v1/log/checkpoint").decode(),
            log_key=str(stranger.get("/v1/log/key")["verifier"]),
        )
        tell.show("service", url)
        tell.show("database", "SQLite (WAL) below demo data, embedded worker")
        tell.show("relying party", stage.platform_id)
        tell.show("log", stage.log_key)
        tell.expect("the service is ready", stranger.fetch("/readyz") is not None)
        yield stage


def _check_models(tell: Narrator, models: ModelRegistry) -> None:
    """Hash every model the story uses."""
    wanted = models.models(frozenset({"service", "studio"}))
    with tell.bar("checking models", len(wanted)) as bar:
        states = {}
        for model in wanted:
            bar.say(f"checking {model.id}")
            states[model.id] = models.state(model.id)
            bar.advance()
    bad = [name for name, state in states.items() if state != "verified"]
    tell.show("models verified", f"{len(wanted) - len(bad)} of {len(wanted)} by SHA-256")
    if bad:
        command = "consent-service models pull --group service --group studio"
        raise UnavailableError("model_missing", f"models are missing ({', '.join(bad)}); run `{command}`")


def _clear(out: Path) -> None:
    """Begin with a fresh data folder; only what an earlier story left is removed."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "service", ignore_errors=True)
    for old in (*out.glob("*.mp4"), out / "summary.json", out / "service.log"):
        old.unlink(missing_ok=True)


def _operate(environment: dict[str, str], *arguments: str) -> str:
    """Run `consent-service` with these arguments, as an operator does, and return what it prints."""
    done = subprocess.run(  # noqa: S603 - our own command, with arguments of our own
        [*_COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(
            "demo_command_failed", f"`{arguments[0]}` failed: {done.stderr.strip()[-400:]}"
        )
    return done.stdout


def _fields(printed: str) -> dict[str, str]:
    """Return the `name: value` lines of a command's output."""
    pairs = (line.partition(": ") for line in printed.splitlines())
    return {name: value for name, _, value in pairs if value}


@contextmanager
def _service(environment: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """Run the service while the context is open."""
    with log.open("wb") as lines:
        process = subprocess.Popen(  # noqa: S603 - our own command, with arguments of our own
            [*_COMMAND, "serve", "--port", str(port)], env=environment, stdout=lines, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}/readyz", log)
            yield
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5.0, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise UnavailableError("demo_service_not_ready", f"the service did not start; see `{log}`")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
