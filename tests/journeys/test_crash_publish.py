"""A worker is killed with SIGKILL at every boundary of publishing, and inside its steps; each clip ends once.

Real processes: `crash_worker.py` runs the real jobs on the real database and store, and kills itself where it
is told. Between its deaths this process looks at what anybody could see.
"""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import obstore
import pytest
from sqlmodel import select

from consent_service.accounts.tables import WebhookEventRow
from consent_service.audit.tables import LogEntryRow
from consent_service.clips.domain import ClipState
from consent_service.clips.record import Clip
from consent_service.clips.tables import ManifestRow
from consent_service.db.session import reading
from consent_service.kernel.errors import ConflictError
from provenance.manifests import read_file
from provenance.watermark import detect_file
from tests.journeys.idle import MortalWorker, World, grant_to

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


@pytest.mark.slow
@pytest.mark.parametrize("points", DEATHS.values(), ids=DEATHS)
def test_a_clip_is_published_once_however_often_its_worker_dies(
    world: World, worker: MortalWorker, points: list[str]
) -> None:
    clip = world.container.clips.submit(world.party, world.clip, world.declaration)
    identifiers = set[bytes]()
    for point in points:
        assert worker.send(clip, point) == "killed", point
        seen = look(world, clip)
        identifiers |= {seen.watermark} if seen.watermark else set()
    assert worker.send(clip, "run") == "ended 0"
    published = look(world, clip)
    assert published.state is ClipState.PUBLISHED, published.reasons
    assert identifiers == {published.watermark}
    assert_exactly_once(world, published)
    assert_whole(world, published)


def test_a_consent_withdrawn_on_the_way_stops_the_finished_file(world: World, worker: MortalWorker) -> None:
    grant = grant_to(world.container, world.person, world.likeness, world.party, "user-2")
    declaration = replace(world.declaration, requester_id="user-2")
    clip = world.container.clips.submit(world.party, world.clip, declaration)
    assert worker.send(clip, "inside:commit") == "killed"  # file and manifest are in the store by now
    signed = look(world, clip)
    assert signed.output is not None
    assert signed.output.trusted
    world.container.grants.revoke(world.person, grant.id)
    assert worker.send(clip, "run") == "ended 0"
    refused = look(world, clip)
    assert (refused.state, refused.reasons) == (ClipState.REFUSED, ("consent_withdrawn_during_publish",))
    assert facts(world, clip) == {"clip.refused": 1}
    assert not [
        item for item in obstore.list(world.container.store).collect() if clip.clip_id in item["path"]
    ]


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
