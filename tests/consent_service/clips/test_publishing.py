"""Steps of publishing that no journey reaches: jobs that were given up."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.voices import VoiceAnalyzer
from consent_service.clips.domain import ClipState, Declaration, Generator
from consent_service.clips.files import ClipFiles
from consent_service.clips.finishing import Finisher
from consent_service.clips.ledger import Ledger
from consent_service.clips.publishing import Publisher
from consent_service.clips.scanning import LikenessScanner
from consent_service.container import Container, build, initialise
from consent_service.db.session import transaction
from consent_service.settings import Settings
from provenance.media import DEFAULT_LIMITS, write_video


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    settings = Settings(data_dir=tmp_path / "data", timestamp_policy="skip", embedded_worker=False)
    initialise(settings)
    container = build(settings)
    yield container
    container.close()


@pytest.fixture
def publisher(container: Container) -> Publisher:
    scanner = LikenessScanner(FaceAnalyzer(container.models), VoiceAnalyzer(container.models), DEFAULT_LIMITS)
    keys = container.keys
    return Publisher(
        Ledger(container.engine, container.clock, container.audit),
        ClipFiles(container.store, container.settings.data_dir / "work" / "clips"),
        container.grants,
        container.cameos,
        container.policy,
        scanner,
        Finisher(keys.watermark, keys.signer, None, keys.trust, DEFAULT_LIMITS),
    )


def test_a_clip_whose_job_was_given_up_is_ended_and_tidied(
    container: Container, publisher: Publisher, tmp_path: Path
) -> None:
    write_video(tmp_path / "clip.mp4", (np.zeros((64, 64, 3), np.uint8) for _ in range(4)), 4)
    with transaction(container.engine) as session:
        party, _, _ = container.accounts.create_relying_party(session, "Platform")
    declaration = Declaration("user-1", "entertainment", False, None, (), Generator("Studio", "1"))  # noqa: FBT003
    stranded, waiting = (container.clips.submit(party, tmp_path / "clip.mp4", declaration) for _ in range(2))
    states = {stranded.job_id: "MAX_RECOVERY_ATTEMPTS_EXCEEDED", waiting.job_id: "PENDING"}
    assert publisher.end_stranded(states.get) == 1
    assert publisher.end_stranded(states.get) == 0
    ended = container.clips.get(stranded.clip_id, party)
    assert (ended.state, ended.reasons) == (ClipState.FAILED, ("internal_error",))
    assert container.clips.get(waiting.clip_id, party).state is ClipState.RECEIVED
    files = ClipFiles(container.store, tmp_path)
    assert files.keys("sources") == (waiting.source.key,)


def test_what_a_crash_left_is_swept(container: Container) -> None:
    files = ClipFiles(container.store, container.settings.data_dir / "work" / "clips")
    clip_id = "clp_" + "2" * 26
    (container.settings.data_dir / "work" / "clips" / clip_id).mkdir(parents=True)
    files.put(f"sources/{clip_id}", b"orphan", "clip")
    assert container.clips.sweep() == 2
    assert files.keys("sources") == ()
    assert files.worked_on() == ()
