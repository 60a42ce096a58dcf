"""Bad input, each with its clear answer, and nothing left behind: through the API, and through the jobs.

What is wrong with recordings of people (digits, turns, light, a second face, a used challenge) is tried
beside the cameos; here are the files, the declarations and the failing surroundings.
"""

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from fastapi.testclient import TestClient

from consent_service.clips.domain import ClipState
from consent_service.clips.record import Clip
from consent_service.kernel.ids import new_id
from consent_service.main import create_app
from provenance.media import write_video
from tests.journeys.conftest import declaration
from tests.journeys.idle import MortalWorker, World


@pytest.fixture
def client(world: World) -> TestClient:
    """Return a caller of the service in this process; its jobs are run elsewhere, if at all."""
    app = create_app(world.container.settings, world.container)
    app.state.container = world.container
    return TestClient(app, headers={"Authorization": f"Bearer {world.key}"}, raise_server_exceptions=False)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Return a second of noise, without sound: large for its length."""
    generator = np.random.default_rng(3)
    frames = (generator.integers(0, 255, (360, 640, 3), np.uint8) for _ in range(24))
    write_video(tmp_path / "noise.mp4", frames, 24, crf=4, preset="ultrafast")
    return tmp_path / "noise.mp4"


def left_behind(world: World) -> set[str]:
    folder = world.container.settings.data_dir
    kept = [item["path"] for item in obstore.list(world.container.store).collect()]
    stray = [path for name in ("incoming", "work") for path in (folder / name).rglob("*") if path.is_file()]
    return {*kept, *(str(path.relative_to(folder)) for path in stray)}


def post(client: TestClient, content: bytes, declared: str | None = None, name: str = "clip.mp4") -> Any:
    fields = {"declaration": declaration() if declared is None else declared}
    return client.post("/v1/clips", files={"file": (name, content, "video/mp4")}, data=fields)


def assert_problem(response: Any, status: int, code: str) -> None:
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


def empty(_: Path, __: World) -> bytes:
    return b""


def text(_: Path, __: World) -> bytes:
    return b"this is not a video, whatever its name says\n" * 40


def cut_short(_: Path, world: World) -> bytes:
    content = world.clip.read_bytes()
    return content[: len(content) // 3]


def wide_header(folder: Path, _: World) -> bytes:
    wide = (np.zeros((64, 16_384, 3), np.uint8) for _ in range(2))
    write_video(folder / "wide.mp4", wide, 10, preset="ultrafast")
    return (folder / "wide.mp4").read_bytes()


def too_long(folder: Path, _: World) -> bytes:
    write_video(folder / "long.mp4", (np.zeros((64, 64, 3), np.uint8) for _ in range(25)), 1)
    return (folder / "long.mp4").read_bytes()


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (empty, 422, "media_empty"),
        (text, 415, "not_media"),
        (cut_short, 422, "media_malformed"),
        (wide_header, 413, "media_limit_exceeded"),
        (too_long, 413, "media_limit_exceeded"),
    ],
)
def test_a_file_that_cannot_be_used_is_answered_at_once(
    client: TestClient, world: World, tmp_path: Path, make: Any, status: int, code: str
) -> None:
    before = left_behind(world)
    assert_problem(post(client, make(tmp_path, world)), status, code)
    assert left_behind(world) == before


def test_a_clip_under_a_wrong_name_is_judged_by_its_content(client: TestClient, world: World) -> None:
    before = left_behind(world)
    taken = post(client, world.clip.read_bytes(), name="notes.txt")
    assert taken.status_code == 202
    assert taken.headers["location"] == f"/v1/clips/{taken.json()['clip_id']}"
    assert left_behind(world) - before == {f"sources/{taken.json()['clip_id']}"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"likenesses": [{"likeness_id": "somebody", "uses": ["face"]}]}, "likenesses.0.likeness_id"),
        ({"likenesses": [{"likeness_id": new_id("lik"), "uses": []}]}, "likenesses.0.uses"),
        ({"purpose": "Any Thing"}, "purpose"),
        ({"region": "Europe"}, "region"),
        ({"generator": {"name": "", "version": "1"}}, "generator.name"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_declaration_that_is_not_valid_names_the_place(
    client: TestClient, world: World, change: dict[str, Any], place: str
) -> None:
    before = left_behind(world)
    declared = json.dumps({**json.loads(declaration()), **change})
    answer = post(client, world.clip.read_bytes(), declared)
    assert_problem(answer, 422, "declaration_invalid")
    assert f"`{place}`" in answer.json()["detail"]
    assert left_behind(world) == before


@pytest.mark.parametrize("declared", ["", "{", "null", "[]"])
def test_a_declaration_must_be_one(client: TestClient, world: World, declared: str) -> None:
    assert post(client, world.clip.read_bytes(), declared).status_code == 422


def test_a_likeness_is_declared_once(client: TestClient, world: World) -> None:
    likeness = new_id("lik")
    answer = post(client, world.clip.read_bytes(), declaration(likeness, likeness))
    assert_problem(answer, 422, "declaration_invalid")


def test_a_parent_must_be_a_published_clip_of_the_caller(client: TestClient, world: World) -> None:
    before = left_behind(world)
    answer = post(client, world.clip.read_bytes(), declaration(parents=(new_id("clp"),)))
    assert_problem(answer, 422, "parent_unknown")
    assert left_behind(world) == before


def test_a_clip_that_is_not_there(client: TestClient) -> None:
    for clip_id in (new_id("clp"), "clp_", "x" * 300):
        assert_problem(client.get(f"/v1/clips/{clip_id}"), 404, "clip_not_found")


def test_without_a_key_nothing_is_taken(client: TestClient, world: World) -> None:
    client.headers.pop("Authorization")
    assert_problem(post(client, world.clip.read_bytes()), 401, "api_key_missing")


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let every write beyond `size` fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("route", ["/v1/clips", "/v1/verifications"])
def test_a_full_disk_is_said_and_leaves_nothing(
    client: TestClient, world: World, noise: Path, route: str
) -> None:
    before, content = left_behind(world), noise.read_bytes()
    assert len(content) > 3_500_000
    with no_file_larger_than(3_500_000):
        fields = {"declaration": declaration()}
        answer = client.post(route, files={"file": ("clip.mp4", content, "video/mp4")}, data=fields)
    assert_problem(answer, 507, "storage_full")
    assert left_behind(world) == before


@pytest.mark.parametrize("make", [text, cut_short])
def test_a_broken_file_is_a_verdict_of_verification(
    client: TestClient, world: World, tmp_path: Path, make: Any
) -> None:
    before = left_behind(world)
    files = {"file": ("clip.mp4", make(tmp_path, world), "video/mp4")}
    answer = client.post("/v1/verifications", files=files)
    assert (answer.status_code, answer.json()["state"]) == (200, "malformed")
    assert left_behind(world) == before


def test_an_empty_file_cannot_be_verified(client: TestClient) -> None:
    answer = client.post("/v1/verifications", files={"file": ("clip.mp4", b"", "video/mp4")})
    assert_problem(answer, 422, "media_empty")


def run_jobs(
    worker: MortalWorker, world: World, clip: Clip, *, largest_file: int | None = None, **settings: str
) -> Clip:
    """Run the clip's job in a worker whose surroundings fail; return the clip at rest."""
    assert worker.send(clip, "hurry", largest_file=largest_file, **settings) == "ended 0"
    return world.container.clips.get(clip.clip_id, world.party)


def assert_failed(world: World, clip: Clip, reason: str) -> None:
    assert (clip.state, clip.reasons) == (ClipState.FAILED, (reason,))
    assert not [name for name in left_behind(world) if clip.clip_id in name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("surroundings", "reason"),
    [
        ({"timestamp_url": "http://127.0.0.1:9/"}, "timestamp_unavailable"),
        ({"signer_socket": "/nonexistent/signer.sock"}, "signer_unavailable"),
    ],
)
def test_a_signer_or_authority_out_of_reach_fails_the_clip_and_leaves_nothing(
    world: World, worker: MortalWorker, surroundings: dict[str, str], reason: str
) -> None:
    clip = world.container.clips.submit(world.party, world.clip, world.declaration)
    assert_failed(world, run_jobs(worker, world, clip, largest_file=None, **surroundings), reason)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_publishing_fails_the_clip_and_leaves_nothing(
    world: World, worker: MortalWorker, noise: Path
) -> None:
    clip = world.container.clips.submit(world.party, noise, world.declaration)
    assert_failed(world, run_jobs(worker, world, clip, largest_file=3_500_000), "storage_full")


def test_a_clip_that_breaks_off_later_fails_with_its_reason(
    world: World, worker: MortalWorker, tmp_path: Path
) -> None:
    content = world.clip.read_bytes()
    half, quarter = len(content) // 2, len(content) // 4
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content[:half] + bytes(quarter) + content[half + quarter :])
    clip = world.container.clips.submit(world.party, broken, world.declaration)
    assert_failed(world, run_jobs(worker, world, clip), "media_malformed")
