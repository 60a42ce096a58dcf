"""A worker is killed with SIGKILL at every boundary of publishing, and inside its steps; each clip ends once.

Real processes: `crash_worker.py` runs the real jobs on the real database and store, and kills itself where it
is told. Between its deaths this process looks at what anybody could see.
"""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import obstore
import pytest
from sqlmodel import select

from consent_service.accounts.tables import WebhookEventRow
from consent_service.audit.tables import LogEntryRow
from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.registry import ModelRegistry
from consent_service.cameos.sealing import Sealer, face_place, voice_place
from consent_service.cameos.tables import LikenessRow
from consent_service.clips.domain import ClipState, Declaration, DeclaredLikeness, Generator, Use
from consent_service.clips.record import Clip
from consent_service.clips.tables import ManifestRow
from consent_service.container import Container, build, initialise
from consent_service.db.session import reading, transaction
from consent_service.demo.cache import StudioCache
from consent_service.demo.people import SHE
from consent_service.demo.studio import Frame, Take
from consent_service.grants.terms import GrantTerms
from consent_service.grants.terms import Use as GrantUse
from consent_service.kernel.errors import ConflictError
from consent_service.kernel.ids import LikenessId, PersonId, RelyingPartyId, new_id
from consent_service.settings import Settings
from provenance.manifests import read_file
from provenance.media import write_video
from provenance.watermark import detect_file
from tests.journeys.conftest import environment_of

STEPS = (
    "check_declared",
    "scan_for_undeclared",
    "decide",
    "record_intent",
    "mark",
    "sign",
    "verify_output",
    "publish",
    "clean_up",
)
DEATHS = {
    "after the effect of a step, before its record": [f"effect:{step}" for step in STEPS],
    "after the record of a step": [f"record:{step}" for step in STEPS],
    "in the middle of a step": ["inside:mark", "inside:sign", "inside:store", "inside:commit"],
}


@dataclass(frozen=True, slots=True)
class World:
    """A service whose jobs nobody runs yet, a person enrolled in it, and her clip."""

    container: Container
    party: RelyingPartyId
    declaration: Declaration
    clip: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def world(
    models: ModelRegistry, composed: StudioCache, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("crash")
    settings = Settings(data_dir=folder / "data", models_dir=Settings().models.resolve())
    initialise(settings)
    container = build(settings)
    still = composed.studio.still(SHE, Take(size=(320, 240), face_height=0.5))
    likeness, party = enrol_and_grant(container, models, still)
    uses = DeclaredLikeness(likeness, frozenset({Use.FACE}))
    declaration = Declaration("user-1", "entertainment", False, None, (uses,), Generator("Studio", "1"))  # noqa: FBT003
    clip = folder / "clip.mp4"
    write_video(clip, drifting(still), 12, rain(3.0), 16_000)
    yield World(container, party, declaration, clip, environment_of(settings.data_dir, models))
    container.close()


def enrol_and_grant(
    container: Container, models: ModelRegistry, still: Frame
) -> tuple[LikenessId, RelyingPartyId]:
    """Put an enrolled likeness and a grant into the database, without the usual recording."""
    analyzer = FaceAnalyzer(models)
    (face, *_) = analyzer.detect(still)
    template = analyzer.template(still, analyzer.mesh(still, face))
    likeness, now = LikenessId(new_id("lik")), container.clock.now().replace(microsecond=0)
    with transaction(container.engine) as session:
        person, _ = container.accounts.create_person(session)
        party, _, _ = container.accounts.create_relying_party(session, "Platform", "http://127.0.0.1:9/hook")
        sealer = Sealer(container.vault)
        row = LikenessRow(id=likeness, person_id=person, enrolled_at=now)
        row.sealed_face = sealer.seal(session, person, template, face_place(likeness))
        voice = np.full(256, 1 / 16, np.float32)
        row.sealed_voice = sealer.seal(session, person, voice, voice_place(likeness))
        session.add(row)
    terms = GrantTerms(
        relying_party_id=party,
        requesters=frozenset({"user-1"}),
        uses=frozenset({GrantUse.FACE}),
        purposes=frozenset({"entertainment"}),
        commercial=False,
        regions=frozenset({"001"}),
        description="A short clip that survives the death of its maker.",
        not_before=now,
        not_after=now + timedelta(days=1),
    )
    container.grants.issue(PersonId(person), likeness, terms)
    return likeness, party


def drifting(still: Frame) -> Iterator[Frame]:
    for index in range(30):
        yield np.roll(still, index // 2, axis=1)


def rain(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    noise = np.random.default_rng(7).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return np.convolve(noise, np.ones(3, np.float32) / 3, "same").astype(np.float32) * 0.1


@contextmanager
def mortal_worker(world: World, clip: Clip) -> Iterator["subprocess.Popen[str]"]:
    program = Path(__file__).with_name("crash_worker.py")
    worker = subprocess.Popen(
        [sys.executable, str(program), clip.clip_id],
        env=world.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        yield worker
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(60) == 0


def send(worker: "subprocess.Popen[str]", point: str) -> str:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{point}\n")
    worker.stdin.flush()
    for line in worker.stdout:  # the service's own log goes there too
        if line.startswith(("killed", "ended")):
            return line.strip()
    return "gone"


@pytest.mark.slow
@pytest.mark.parametrize("points", DEATHS.values(), ids=DEATHS)
def test_a_clip_is_published_once_however_often_its_worker_dies(world: World, points: list[str]) -> None:
    clip = world.container.clips.submit(world.party, world.clip, world.declaration)
    identifiers = set[bytes]()
    with mortal_worker(world, clip) as worker:
        for point in points:
            assert send(worker, point) == "killed", point
            seen = look(world, clip)
            identifiers |= {seen.watermark} if seen.watermark else set()
        assert send(worker, "run") == "ended 0"
    published = look(world, clip)
    assert published.state is ClipState.PUBLISHED, published.reasons
    assert identifiers == {published.watermark}
    assert_exactly_once(world, published)
    assert_whole(world, published)


def look(world: World, clip: Clip) -> Clip:
    """Look at a clip as anybody could between two deaths: it is published whole, or not to be had at all."""
    container = world.container
    now = container.clips.get(clip.clip_id, world.party)
    if now.state is not ClipState.PUBLISHED:
        with pytest.raises(ConflictError):
            container.clips.published_file(clip.clip_id, world.party)
        assert facts(world, clip)["clip.published"] == 0
    stored = list(obstore.list(container.store, f"published/{clip.clip_id}").collect())
    assert len(stored) <= 1
    for item in stored:
        content = bytes(obstore.get(container.store, item["path"]).bytes())
        assert item["path"].endswith(f"/{hashlib.sha256(content).hexdigest()}.mp4")
    return now


def facts(world: World, clip: Clip) -> Counter[str]:
    """Count the log's entries about a clip, by kind."""
    with reading(world.container.engine) as session:
        leaves = [json.loads(row.leaf) for row in session.exec(select(LogEntryRow))]
    return Counter(leaf["kind"] for leaf in leaves if leaf["facts"].get("clip_id") == clip.clip_id)


def assert_exactly_once(world: World, clip: Clip) -> None:
    """One manifest, one log entry, one notice, one file; nothing else is left."""
    container = world.container
    assert facts(world, clip) == {"clip.published": 1}
    with reading(container.engine) as session:
        manifests = session.exec(select(ManifestRow).where(ManifestRow.clip_id == clip.clip_id)).all()
        notices = [row for row in session.exec(select(WebhookEventRow)) if clip.clip_id in row.body.decode()]
    assert [row.manifest_id for row in manifests] == [clip.manifest_id]
    assert [row.event_type for row in notices] == ["clip.published"]
    assert clip.published is not None
    keys = {item["path"] for item in obstore.list(container.store).collect() if clip.clip_id in item["path"]}
    assert keys == {clip.published.key, manifests[0].key}
    assert not (container.settings.data_dir / "work" / "clips" / clip.clip_id).exists()


def assert_whole(world: World, clip: Clip) -> None:
    """The published file is signed, trusted and marked in picture and sound with the one identifier."""
    container = world.container
    assert clip.published is not None
    assert clip.watermark is not None
    path = container.settings.files_dir / clip.published.key
    manifest = read_file(path, trust=container.keys.trust)
    assert (manifest.intact, manifest.trusted, manifest.manifest_id) == (True, True, clip.manifest_id)
    marks = detect_file(path, keys=container.keys.watermark, deep=False)
    assert marks.video is not None
    assert marks.audio is not None
    assert (marks.video.payload, marks.audio.payload) == (clip.watermark, clip.watermark[:5])
