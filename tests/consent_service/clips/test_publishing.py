"""Steps of publishing that no journey reaches: jobs given up, work lost, consent of sources gone."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.voices import VoiceAnalyzer
from consent_service.cameos.sealing import Sealer, face_place, voice_place
from consent_service.cameos.tables import LikenessRow
from consent_service.clips import service
from consent_service.clips.domain import (
    ClipState,
    Declaration,
    DeclaredLikeness,
    Generator,
    Ruling,
    Use,
)
from consent_service.clips.files import ClipFiles
from consent_service.clips.finishing import Finisher
from consent_service.clips.ledger import Ledger
from consent_service.clips.publishing import Publisher
from consent_service.clips.scanning import LikenessScanner
from consent_service.clips.withdrawals import Withdrawals
from consent_service.container import Container, build, initialise
from consent_service.db.session import transaction
from consent_service.grants.terms import GrantTerms
from consent_service.grants.terms import Use as GrantUse
from consent_service.kernel.errors import ConflictError, TooManyError
from consent_service.kernel.ids import CaseId, ClipId, LikenessId, PersonId, RelyingPartyId, new_id
from consent_service.settings import Settings
from provenance.media import DEFAULT_LIMITS, write_video


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    settings = Settings(
        data_dir=tmp_path / "data",
        models_dir=Settings().models,
        timestamp_policy="skip",
        embedded_worker=False,
    )
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
    assert container.clips.sweep() == 1
    assert files.keys("sources") == (f"sources/{clip_id}",)  # it may be that of a clip just coming in
    os.utime(container.settings.files_dir / "sources" / clip_id, (0, 0))
    assert container.clips.sweep() == 1
    assert files.keys("sources") == ()
    assert files.worked_on() == ()


GENERATOR: Final = Generator("Studio", "1")
PLAIN: Final = Declaration("user-1", "entertainment", False, None, (), GENERATOR)  # noqa: FBT003  its order


def party_of(container: Container) -> RelyingPartyId:
    with transaction(container.engine) as session:
        return container.accounts.create_relying_party(session, "Platform")[0]


def enrolled(container: Container) -> tuple[PersonId, LikenessId]:
    """Enrol somebody whom no clip here shows."""
    likeness_id, sealer = LikenessId(new_id("lik")), Sealer(container.vault)
    with transaction(container.engine) as session:
        person_id, _ = container.accounts.create_person(session)
        face, voice = (
            sealer.seal(session, person_id, np.zeros(512, np.float32), place)
            for place in (face_place(likeness_id), voice_place(likeness_id))
        )
        now = container.clock.now()
        row = LikenessRow(
            id=likeness_id, person_id=person_id, enrolled_at=now, sealed_face=face, sealed_voice=voice
        )
        session.add(row)
    return person_id, likeness_id


def terms(container: Container, party: RelyingPartyId, *, remix: bool) -> GrantTerms:
    now = container.clock.now().replace(microsecond=0)
    return GrantTerms(
        relying_party_id=party,
        requesters=frozenset({"*"}),
        uses=frozenset({GrantUse.FACE}),
        purposes=frozenset({"entertainment"}),
        commercial=False,
        regions=frozenset({"001"}),
        description="Short scenes for friends.",
        not_before=now,
        not_after=now + timedelta(days=1),
        remix=remix,
    )


def showing(likeness_id: LikenessId) -> Declaration:
    return replace(PLAIN, likenesses=(DeclaredLikeness(likeness_id, frozenset({Use.FACE})),))


def read_back(
    container: Container, publisher: Publisher, party: RelyingPartyId, declaration: Declaration
) -> ClipId:
    """Hand in a clip of moving colours and carry it to where its file was read back, if it gets there."""
    colours = np.random.default_rng(7).integers(40, 215, (12, 12, 3)).astype(np.uint8)
    frames = (np.roll(colours, turn, 1).repeat(32, 0).repeat(32, 1) for turn in range(24))
    path = container.settings.data_dir / "clip.mp4"
    write_video(path, frames, 12)
    clip_id = container.clips.submit(party, path, declaration).clip_id
    for step in (
        publisher.check_declared,
        publisher.scan_for_undeclared,
        publisher.decide,
        publisher.record_intent,
        publisher.mark,
        publisher.sign,
        publisher.verify_output,
    ):
        step(clip_id)
    return clip_id


def test_a_remix_needs_the_consent_of_whom_its_source_shows(
    container: Container, publisher: Publisher
) -> None:
    party, (person_id, likeness_id) = party_of(container), enrolled(container)
    container.grants.issue(person_id, likeness_id, terms(container, party, remix=False))
    first = read_back(container, publisher, party, showing(likeness_id))
    assert publisher.publish(first) is ClipState.PUBLISHED
    remix = publisher.load(read_back(container, publisher, party, replace(PLAIN, parents=(first,))))
    assert remix.state is ClipState.REFUSED
    assert "remix_not_granted" in remix.reasons


def test_a_remix_is_refused_once_the_consent_behind_its_source_is_gone(
    container: Container, publisher: Publisher
) -> None:
    party, (person_id, likeness_id) = party_of(container), enrolled(container)
    old = container.grants.issue(person_id, likeness_id, terms(container, party, remix=True))
    first = read_back(container, publisher, party, showing(likeness_id))
    assert publisher.publish(first) is ClipState.PUBLISHED
    container.grants.issue(person_id, likeness_id, terms(container, party, remix=True))
    container.grants.revoke(person_id, old.id)
    remix = read_back(container, publisher, party, replace(PLAIN, parents=(first,)))
    assert {check.decision for check in publisher.load(remix).checks} == {"allow"}  # under the new grant
    assert publisher.publish(remix) is ClipState.REFUSED
    assert publisher.load(remix).reasons[0] == "consent_withdrawn_during_publish"

    ledger = Ledger(container.engine, container.clock, container.audit)
    assert Withdrawals(ledger).reach(old.id) == [first]
    with pytest.raises(ConflictError) as caught:
        read_back(container, publisher, party, replace(PLAIN, parents=(first,)))
    assert caught.value.code == "parent_withdrawn"


def test_a_file_made_anew_is_read_back_anew(container: Container, publisher: Publisher) -> None:
    clip = publisher.load(read_back(container, publisher, party_of(container), PLAIN))
    assert clip.output is not None
    shutil.rmtree(container.settings.data_dir / "work" / "clips" / clip.clip_id)
    assert publisher.publish(clip.clip_id) is ClipState.PUBLISHED
    published = publisher.load(clip.clip_id)
    assert published.output is not None
    assert published.published is not None
    assert published.output.sha256 == published.published.sha256 != clip.output.sha256


def test_a_late_tidying_up_leaves_a_released_clip_alone(
    container: Container, publisher: Publisher, tmp_path: Path
) -> None:
    write_video(tmp_path / "clip.mp4", (np.zeros((64, 64, 3), np.uint8) for _ in range(4)), 4)
    clip = container.clips.submit(party_of(container), tmp_path / "clip.mp4", PLAIN)
    publisher.check_declared(clip.clip_id)
    case_id = CaseId(new_id("cas"))
    ledger = Ledger(container.engine, container.clock, container.audit)
    ledger.end(clip.clip_id, ClipState.NEEDS_REVIEW, ("unknown_face",), case_id=case_id)
    container.reviews.decide(case_id, Ruling.RELEASE, "the face is a drawing", "mod_1")
    assert publisher.clean_up(clip.clip_id) is ClipState.RECEIVED
    assert ClipFiles(container.store, tmp_path).keys("sources") == (clip.source.key,)


def test_a_platform_has_only_so_many_clips_under_way(
    container: Container, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_UNDER_WAY", 1)
    party, path = party_of(container), tmp_path / "clip.mp4"
    write_video(path, (np.zeros((64, 64, 3), np.uint8) for _ in range(4)), 4)
    first = container.clips.submit(party, path, PLAIN)
    with pytest.raises(TooManyError):
        container.clips.submit(party, path, PLAIN)
    assert ClipFiles(container.store, tmp_path).keys("sources") == (first.source.key,)
    container.clips.submit(party_of(container), path, PLAIN)
    publisher.fail(first.clip_id, "internal_error")
    container.clips.submit(party, path, PLAIN)
