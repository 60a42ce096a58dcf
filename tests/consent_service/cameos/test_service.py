"""Enrolment from end to end on recordings of the studio: accepted, refused, confirmed, erased."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import obstore
import pytest

from consent_service.cameos import repository
from consent_service.cameos.domain import Status, Turn
from consent_service.cameos.record import Cameo
from consent_service.db.session import transaction
from consent_service.demo.cache import StudioCache
from consent_service.demo.people import HE, IMPOSTER, Person
from consent_service.demo.performance import Side, answer
from consent_service.demo.studio import Take
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.errors import ConflictError, NotFoundError
from consent_service.kernel.ids import LikenessId, PersonId
from provenance.media import transcode

from .conftest import Room

DIGITS: Final = "407192"
TURNS: Final[tuple[Side, ...]] = ("left", "right")
TAKE: Final = Take(size=(480, 360), frames_per_second=15)


def recorded(composed: StudioCache, person: Person, digits: str = DIGITS, take: Take = TAKE) -> Path:
    return composed.compose(person, answer(digits, TURNS), take)


def send(room: Room, person_id: PersonId, path: Path, digits: str = DIGITS) -> Cameo:
    """Answer a challenge and run its job."""
    room.clock.time += timedelta(seconds=1)
    challenge_id = room.challenge(person_id, digits, TURNS)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    cameo = room.service.submit(person_id, challenge_id, path, sha256)
    assert cameo.status is Status.PROCESSING
    room.service.process(cameo.id)
    return room.service.get(cameo.id, person_id)


def test_a_challenge_is_random_and_has_both_turns(room: Room) -> None:
    challenges = [room.service.set_challenge(room.person()) for _ in range(40)]
    assert len({each.digits for each in challenges}) > 35
    assert all(len(each.digits) == 6 and set(each.turns) == set(Turn) for each in challenges)
    assert len({each.turns for each in challenges}) == 6


def test_enrol_confirm_and_erase(room: Room, composed: StudioCache) -> None:
    person_id = room.person()
    first = send(room, person_id, recorded(composed, HE))
    assert (first.status, first.reasons) == (Status.ACCEPTED, ())
    assert first.likeness_id is not None

    # The recording is gone, and what is kept shows no template.
    assert not list(obstore.list(room.store))
    assert not list(room.work.iterdir())
    gallery = room.ask(room.service.gallery)
    assert [entry.likeness_id for entry in gallery.entries] == [first.likeness_id]  # type: ignore[attr-defined]  # typed as object by the helper

    # The same bytes again, under a fresh challenge.
    again = send(room, person_id, recorded(composed, HE))
    assert (again.status, again.reasons) == (Status.REJECTED, ("recording_reused",))

    # A new recording of the same person confirms the same likeness.
    second = send(room, person_id, recorded(composed, HE, "583610", replace(TAKE, seed=5)), "583610")
    assert (second.status, second.likeness_id) == (Status.ACCEPTED, first.likeness_id)

    erase(room, first.likeness_id)
    assert room.ask(lambda session: room.service.owner(session, first.likeness_id or LikenessId(""))) is None
    assert not room.ask(room.service.gallery).entries  # type: ignore[attr-defined]  # typed as object by the helper
    with pytest.raises(NotFoundError) as caught:
        send(room, person_id, recorded(composed, HE))
    assert caught.value.code == "key_erased"
    assert room.log_kinds() == ["cameo.accepted", "cameo.rejected", "cameo.accepted", "likeness.erased"]


def erase(room: Room, likeness_id: LikenessId) -> None:
    told: list[LikenessId] = []
    room.service.when_erased(lambda _session, erased: told.append(erased))
    for _ in range(2):  # the second time changes nothing
        with transaction(room.engine) as session:
            room.service.erase(session, likeness_id)
    assert told == [likeness_id]


def test_a_reencoded_recording_is_known_again(room: Room, composed: StudioCache, tmp_path: Path) -> None:
    person_id = room.person()
    original = recorded(composed, HE)
    send(room, person_id, original)
    reencoded = tmp_path / "again.mp4"
    transcode(original, reencoded, crf=32, scale=0.75)
    again = send(room, person_id, reencoded)
    assert again.status is Status.REJECTED
    assert "recording_reused" in again.reasons


def test_an_imposter_is_refused(room: Room, composed: StudioCache) -> None:
    person_id = room.person()
    assert send(room, person_id, recorded(composed, HE)).status is Status.ACCEPTED
    refused = send(room, person_id, recorded(composed, IMPOSTER))
    assert refused.status is Status.REJECTED
    assert "face_mismatch" in refused.reasons


def test_a_face_enrolled_by_somebody_else_goes_to_a_moderator(room: Room, composed: StudioCache) -> None:
    assert send(room, room.person(), recorded(composed, HE)).status is Status.ACCEPTED
    stranger = room.person()
    take = replace(TAKE, seed=5)
    held = send(room, stranger, recorded(composed, HE, "583610", take), "583610")
    assert (held.status, held.reasons) == (Status.NEEDS_REVIEW, ("face_enrolled_elsewhere",))
    with transaction(room.engine) as session:
        assert [each.id for each in room.service.in_review(session)] == [held.id]
        settled = room.service.settle(session, held.id, accept=False)
    assert (settled.status, settled.likeness_id) == (Status.REJECTED, None)
    with transaction(room.engine) as session, pytest.raises(ConflictError):
        room.service.settle(session, held.id, accept=True)


def test_a_moderator_may_accept_what_was_held(room: Room, composed: StudioCache) -> None:
    send(room, room.person(), recorded(composed, HE))
    twin = room.person()
    take = replace(TAKE, seed=5)
    held = send(room, twin, recorded(composed, HE, "583610", take), "583610")
    with transaction(room.engine) as session:
        settled = room.service.settle(session, held.id, accept=True)
    assert settled.likeness_id is not None
    assert room.ask(lambda session: room.service.likeness_of(session, twin)) == settled.likeness_id


def test_an_erased_person_leaves_no_case_behind(room: Room, composed: StudioCache) -> None:
    person_id = room.person()
    likeness_id = send(room, person_id, recorded(composed, HE)).likeness_id
    assert likeness_id is not None
    take = replace(TAKE, seed=5)
    again = send(room, person_id, recorded(composed, HE, "583610", take), "583610")
    with transaction(room.engine) as session:
        row = repository.cameo(session, again.id)
        assert row is not None
        row.status = Status.NEEDS_REVIEW
        session.add(row)
    erase(room, likeness_id)
    assert room.ask(room.service.in_review) == ()
    assert room.service.get(again.id, person_id).status is Status.REJECTED


def test_a_recording_whose_taking_in_fails_is_not_kept(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person_id = room.person()
    challenge_id = room.challenge(person_id, DIGITS, TURNS)
    (tmp_path / "recording").write_bytes(b"anything")

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(JobRuntime, "enqueue", fail)
    with pytest.raises(RuntimeError):
        room.service.submit(person_id, challenge_id, tmp_path / "recording", "0" * 64)
    assert not list(obstore.list(room.store))


def test_wrong_digits_are_refused(room: Room, composed: StudioCache) -> None:
    refused = send(room, room.person(), recorded(composed, HE), digits="111111")
    assert (refused.status, refused.reasons) == (Status.REJECTED, ("wrong_digits",))


def test_a_file_that_is_no_recording_is_refused_with_its_reason(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"dear service, I am myself\n" * 100)
    refused = send(room, room.person(), path)
    assert (refused.status, refused.reasons) == (Status.REJECTED, ("not_media",))
    assert not list(obstore.list(room.store))


def test_a_challenge_is_good_once_in_time_and_for_its_person(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "recording.mp4"
    path.write_bytes(b"x")
    person_id, other = room.person(), room.person()
    challenge_id = room.challenge(person_id, DIGITS, TURNS)
    with pytest.raises(NotFoundError) as unknown:
        room.service.submit(other, challenge_id, path, "0" * 64)
    cameo = room.service.submit(person_id, challenge_id, path, "0" * 64)
    with pytest.raises(ConflictError) as used:
        room.service.submit(person_id, challenge_id, path, "0" * 64)
    late = room.challenge(person_id, DIGITS, TURNS)
    room.clock.time += timedelta(minutes=6)
    with pytest.raises(ConflictError) as expired:
        room.service.submit(person_id, late, path, "0" * 64)
    codes = [error.value.code for error in (unknown, used, expired)]
    assert codes == ["challenge_unknown", "challenge_used", "challenge_expired"]
    with pytest.raises(NotFoundError):
        room.service.get(cameo.id, other)


def test_a_recording_at_rest_is_sealed(room: Room, composed: StudioCache) -> None:
    person_id = room.person()
    path = recorded(composed, HE)
    cameo = room.service.submit(person_id, room.challenge(person_id, DIGITS, TURNS), path, "0" * 64)
    (stored,) = [item["path"] for page in obstore.list(room.store) for item in page]
    assert path.read_bytes()[1000:1100] not in bytes(obstore.get(room.store, stored).bytes())
    assert room.service.fail(cameo.id, "model_missing") is Status.REJECTED
    assert room.service.process(cameo.id) is Status.REJECTED  # decided once
    assert not list(obstore.list(room.store))


def test_recordings_that_nobody_waits_for_are_swept(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recording.mp4"
    path.write_bytes(b"x")
    person_id = room.person()
    waiting = room.service.submit(person_id, room.challenge(person_id, DIGITS, TURNS), path, "0" * 64)
    obstore.put(room.store, "cameos/cam_without_a_row", b"left behind by a killed request")
    room.service.sweep()
    assert len(list(obstore.list(room.store).collect())) == 2  # too young to be left behind
    monkeypatch.setattr("consent_service.cameos.recordings._STALE_SECONDS", -1.0)
    room.service.sweep()
    assert [item["path"] for item in obstore.list(room.store).collect()] == [f"cameos/{waiting.id}"]
