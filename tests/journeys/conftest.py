"""One running service for all journeys, and the people in it: real processes, models, media, signatures."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from consent_service.biometrics.registry import ModelRegistry
from consent_service.clips.domain import Declaration, DeclaredLikeness, Generator, Use
from consent_service.container import Container, build, initialise
from consent_service.db.session import transaction
from consent_service.demo.cache import StudioCache
from consent_service.demo.client import Caller
from consent_service.demo.notices import NoticeBoard
from consent_service.demo.people import IMPOSTER, SHE, Person
from consent_service.demo.performance import Say, Side, answer
from consent_service.demo.studio import Take
from consent_service.settings import Settings
from provenance.media import write_video
from tests.journeys.idle import MortalWorker, World, drifting, enrol, grant_to, rain

COMMAND = [sys.executable, "-c", "from consent_service.cli import main; main()"]
GREETING = (Say("Happy birthday my dear friend, and many happy returns of the day"),)
SMALL = Take(size=(480, 360), frames_per_second=15, face_height=0.5)
CAMEO = Take(size=(480, 360), frames_per_second=15, face_height=0.55)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and the folder it keeps its data in."""

    url: str
    data_dir: Path
    operator: Container
    callers: ExitStack

    def caller(self, key: str | None = None) -> Caller:
        """Return somebody with this key; their connections end with the service."""
        caller = Caller(self.url, key)
        self.callers.callback(caller.close)
        return caller

    def relying_party(self, name: str, webhook: str | None = None) -> tuple[str, str, str]:
        """Create a relying party as an operator does; return id, key and webhook secret."""
        with transaction(self.operator.engine) as session:
            party, key, secret = self.operator.accounts.create_relying_party(session, name, webhook)
        return party, key, secret or ""

    def moderator(self) -> Caller:
        """Create a moderator as an operator does."""
        with transaction(self.operator.engine) as session:
            return self.caller(self.operator.accounts.create_moderator(session, "Moderator")[1])

    def left_behind(self) -> set[str]:
        """Return what lies in uploads, sources and work folders."""
        folders = (self.data_dir / "incoming", self.data_dir / "files" / "sources", self.data_dir / "work")
        return {
            str(path.relative_to(self.data_dir))
            for folder in folders
            if folder.exists()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def wait_until_tidy(self, name: str) -> None:
        """Wait until nothing of this name is left; a job tidies up right after it has ended."""
        deadline = time.monotonic() + 20
        while any(name in path for path in self.left_behind()):
            assert time.monotonic() < deadline, self.left_behind()
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of(data_dir: Path, models: ModelRegistry, **settings: str) -> dict[str, str]:
    """Return the environment of a service of its own."""
    del models  # asked for so that absent models fail first, and clearly
    return {
        **os.environ,
        "CONSENT_DATA_DIR": str(data_dir),
        "CONSENT_MODELS_DIR": str(Settings().models.resolve()),
        **{f"CONSENT_{name.upper()}": value for name, value in settings.items()},
    }


@pytest.fixture(scope="session")
def service(models: ModelRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start the service as an operator does, on a free port; stop it at the end."""
    folder = tmp_path_factory.mktemp("service")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = environment_of(
        folder / "data", models, public_url=url, max_clip_seconds="20", challenge_seconds="120"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port)], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until_ready(process, url, folder / "log")
        operator = build(Settings(data_dir=folder / "data", models_dir=Settings().models.resolve()))
        with ExitStack() as callers:
            callers.callback(operator.close)
            yield Service(url, folder / "data", operator, callers)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the service did not start:\n{log.read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class Platform:
    """A relying party with its webhook endpoint."""

    id: str
    caller: Caller
    key: str
    notices: NoticeBoard


@pytest.fixture(scope="session")
def platform(service: Service) -> Iterator[Platform]:
    with NoticeBoard() as notices:
        party, key, secret = service.relying_party("Platform", notices.url)
        notices.trust(secret)
        yield Platform(party, service.caller(key), key, notices)


@pytest.fixture(scope="session")
def other_platform(service: Service) -> Caller:
    return service.caller(service.relying_party("Other platform")[1])


@pytest.fixture(scope="session")
def moderator(service: Service) -> Caller:
    return service.moderator()


@pytest.fixture(scope="session")
def stranger(service: Service) -> Caller:
    return service.caller()


def record_cameo(studio: StudioCache, someone: Person, caller: Caller) -> dict[str, Any]:
    """Ask for a challenge, answer it before the camera, wait for the decision."""
    challenge = caller.post("/v1/challenges")
    turns: list[Side] = challenge["turns"]
    recording = studio.compose(someone, answer(challenge["digits"], turns), CAMEO)
    sent = caller.send("/v1/cameos", recording, {"challenge_id": challenge["challenge_id"]})
    return caller.watch(f"/v1/cameos/{sent['cameo_id']}", "status", frozenset({"processing"}))


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person with an enrolled likeness."""

    caller: Caller
    likeness_id: str
    cameo: dict[str, Any]


@pytest.fixture(scope="session")
def she(service: Service, platform: Platform, composed: StudioCache) -> Enrolled:
    """Enrol her by a real recording."""
    person = platform.caller.post("/v1/people")
    caller = service.caller(person["api_key"])
    cameo = record_cameo(composed, SHE, caller)
    assert cameo["status"] == "accepted", cameo
    return Enrolled(caller, cameo["likeness_id"], cameo)


def give_grant(she: Enrolled, platform: Platform, **terms: object) -> dict[str, Any]:
    """Let her grant the platform the use of face and voice for entertainment."""
    whole = {
        "likeness_id": she.likeness_id,
        "relying_party_id": platform.id,
        "requesters": ["user-1"],
        "uses": ["face", "voice"],
        "purposes": ["entertainment"],
        "regions": ["001"],
        "remix": True,
        "description": "Short greetings for friends, never for advertising.",
        "not_after": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
    }
    return she.caller.post("/v1/grants", {**whole, **terms})


@pytest.fixture(scope="session")
def grant(she: Enrolled, platform: Platform) -> dict[str, Any]:
    """Return the standing grant of all journeys; those that revoke give one of their own."""
    return give_grant(she, platform)


def declaration(*likenesses: str, requester: str = "user-1", parents: tuple[str, ...] = ()) -> str:
    """Return a declaration as JSON."""
    return json.dumps(
        {
            "requester_id": requester,
            "purpose": "entertainment",
            "commercial": False,
            "region": "DE",
            "likenesses": [{"likeness_id": each, "uses": ["face", "voice"]} for each in likenesses],
            "generator": {"name": "Studio", "version": "1"},
            "parents": list(parents),
        }
    )


UNDER_WAY = frozenset({"received", "checking", "marking", "signing", "verifying"})


def hand_in(caller: Caller, clip: Path, declared: str) -> dict[str, Any]:
    """Submit a clip and wait until it rests."""
    sent = caller.send("/v1/clips", clip, {"declaration": declared})
    return caller.watch(f"/v1/clips/{sent['clip_id']}", "state", UNDER_WAY)


@pytest.fixture(scope="session")
def greeting(composed: StudioCache) -> Path:
    """Return a clip in which she says a greeting."""
    return composed.compose(SHE, GREETING, SMALL)


@pytest.fixture(scope="session")
def with_a_stranger(composed: StudioCache) -> Path:
    """Return a clip in which somebody nobody knows stands beside her."""
    return composed.two_people(
        SHE, IMPOSTER, GREETING, Take(size=(640, 360), frames_per_second=15, face_height=0.5)
    )


@pytest.fixture(scope="session")
def published(platform: Platform, she: Enrolled, grant: dict[str, Any], greeting: Path) -> dict[str, Any]:
    """Return a published clip."""
    assert grant["standing"] == "valid"
    clip = hand_in(platform.caller, greeting, declaration(she.likeness_id))
    assert clip["state"] == "published", clip
    return clip


@pytest.fixture(scope="session")
def published_file(
    platform: Platform, published: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the published file as the platform fetched it."""
    path = tmp_path_factory.mktemp("published") / "clip.mp4"
    path.write_bytes(platform.caller.fetch(published["file"]))
    return path


@pytest.fixture(scope="module")
def world(
    models: ModelRegistry, composed: StudioCache, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("crash")
    settings = Settings(
        data_dir=folder / "data",
        models_dir=Settings().models.resolve(),
        max_clip_seconds=20,
        embedded_worker=False,
    )
    initialise(settings)
    still = composed.studio.still(SHE, Take(size=(320, 240), face_height=0.5))
    clip = folder / "clip.mp4"
    write_video(clip, drifting(still), 12, rain(3.0), 16_000)
    with closing(build(settings)) as container:
        person, likeness = enrol(container, models, still)
        with transaction(container.engine) as session:
            hook = "http://127.0.0.1:9/hook"  # nobody listens; notices are counted where they wait
            party, key, _ = container.accounts.create_relying_party(session, "Platform", hook)
        grant_to(container, person, likeness, party, "user-1")
        uses = DeclaredLikeness(likeness, frozenset({Use.FACE}))
        generator = Generator("Studio", "1")
        declaration = Declaration("user-1", "entertainment", False, None, (uses,), generator)  # noqa: FBT003
        environment = environment_of(settings.data_dir, models)
        yield World(container, person, likeness, party, key, declaration, clip, environment)


@pytest.fixture(scope="module")
def worker(world: World) -> Iterator[MortalWorker]:
    program = Path(__file__).with_name("crash_worker.py")
    process = subprocess.Popen(
        [sys.executable, str(program)],
        env=world.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield MortalWorker(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
