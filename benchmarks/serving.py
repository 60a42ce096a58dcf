"""Servers to measure: the service on a fresh data folder with seeded grants, and the no-op baseline.

In: a folder. Out: a running process on a free loopback port, ended with the context.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from consent_service.cameos.tables import LikenessRow
from consent_service.container import build, initialise
from consent_service.db.session import transaction
from consent_service.grants.terms import GrantTerms, Use
from consent_service.kernel.ids import LikenessId, new_id
from consent_service.settings import Settings

_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the benchmarks need to ask and to withdraw.

    Attributes:
        api_key: The relying party's.
        likeness_ids: One for each person, each with one grant.
        grants: The same people's own API keys, and the ids of their grants.
    """

    api_key: str
    likeness_ids: tuple[str, ...]
    grants: tuple[tuple[str, str], ...]


def seed(settings: Settings, likenesses: int) -> Seeded:
    """Make a relying party and so many people, each with an enrolled likeness and one grant."""
    initialise(settings)
    container = build(settings)
    try:
        now = container.clock.now().replace(microsecond=0)
        with transaction(container.engine) as session:
            party_id, key, _ = container.accounts.create_relying_party(session, "Bench", None)
        ids: list[str] = []
        grants: list[tuple[str, str]] = []
        for _ in range(likenesses):
            likeness_id = LikenessId(new_id("lik"))
            with transaction(container.engine) as session:
                person_id, person_key = container.accounts.create_person(session)
                session.flush()
                session.add(LikenessRow(id=likeness_id, person_id=person_id, enrolled_at=now))
            begin = container.clock.now().replace(microsecond=0) + timedelta(seconds=1)
            terms = GrantTerms(
                relying_party_id=party_id,
                requesters=frozenset({"user-1"}),
                uses=frozenset({Use.FACE, Use.VOICE}),
                purposes=frozenset({"entertainment"}),
                commercial=False,
                regions=frozenset({"001"}),
                description="A benchmark of how fast a check is answered.",
                not_before=begin,
                not_after=begin + timedelta(days=30),
            )
            grant = container.grants.issue(person_id, likeness_id, terms)
            ids.append(likeness_id)
            grants.append((person_key, grant.id))
        return Seeded(key, tuple(ids), tuple(grants))
    finally:
        container.close()


@contextmanager
def service(settings: Settings) -> Iterator[int]:
    """Run `consent-service serve` on this data folder and yield its port."""
    environment = {**os.environ, "CONSENT_DATA_DIR": str(settings.data_dir)}
    environment["CONSENT_MODELS_DIR"] = str(settings.models)
    command = [sys.executable, "-c", "from consent_service.cli import main; main()", "serve", "--port"]
    with _running(command, environment, "/readyz") as port:
        yield port


@contextmanager
def noop() -> Iterator[int]:
    """Run the baseline application with one uvicorn worker and yield its port."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.noop:app", "--log-level", "error"]
    with _running([*command, "--no-access-log", "--port"], dict(os.environ), "/openapi.json") as port:
        yield port


@contextmanager
def _running(command: list[str], environment: dict[str, str], path: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    cwd = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [*command, str(port)], env=environment, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    message = "the server did not start"
    raise RuntimeError(message)
