"""The enrolment decision, reason by reason; no models, no media."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.biometrics.comparison import Outcome
from consent_service.cameos.domain import (
    Challenge,
    FaceEvidence,
    History,
    Reason,
    RecordingEvidence,
    Status,
    Turn,
    VoiceEvidence,
    decide_enrolment,
)
from consent_service.kernel.ids import CameoId, ChallengeId, PersonId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEFT, RIGHT = Turn.LEFT, Turn.RIGHT
CHALLENGE = Challenge(
    ChallengeId("chl_1"), PersonId("per_1"), "407192", (LEFT, RIGHT, LEFT), NOW + timedelta(minutes=5)
)
FACE = FaceEvidence(
    frames=100,
    with_face=1.0,
    with_several=0.0,
    side_px=200.0,
    brightness=0.5,
    looks=9,
    constancy=Outcome.MATCH,
    turns=(LEFT, RIGHT, LEFT),
    parallax=0.1,
    lip_sync=0.6,
)
VOICE = VoiceEvidence(has_sound=True, speech_seconds=3.0, snr_db=25.0, digits="407192")
GOOD = RecordingEvidence(FACE, VOICE, History())


def decide(
    evidence: RecordingEvidence, challenge: Challenge = CHALLENGE
) -> tuple[Status, tuple[Reason, ...]]:
    decision = decide_enrolment(challenge, evidence, NOW)
    return decision.status, decision.reasons


def with_face(**changed: Any) -> RecordingEvidence:
    return replace(GOOD, face=replace(FACE, **changed))


def with_voice(**changed: Any) -> RecordingEvidence:
    return replace(GOOD, voice=replace(VOICE, **changed))


def with_history(**changed: Any) -> RecordingEvidence:
    return replace(GOOD, history=History(**changed))


def test_a_good_recording_is_accepted_without_reasons() -> None:
    assert decide(GOOD) == (Status.ACCEPTED, ())


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (with_voice(has_sound=False), Reason.NO_SOUND),
        (with_voice(speech_seconds=1.0), Reason.NO_SPEECH),
        (with_voice(snr_db=3.0), Reason.SOUND_TOO_NOISY),
        (with_voice(digits="407129"), Reason.WRONG_DIGITS),
        (with_voice(digits=""), Reason.WRONG_DIGITS),
        (with_face(with_face=0.5), Reason.NO_FACE),
        (with_face(looks=2), Reason.NO_FACE),
        (with_face(with_several=0.3), Reason.SEVERAL_FACES),
        (with_face(side_px=50.0), Reason.FACE_TOO_SMALL),
        (with_face(brightness=0.05), Reason.FACE_TOO_DARK),
        (with_face(constancy=Outcome.NON_MATCH), Reason.FACE_CHANGED),
        (with_face(turns=(LEFT, RIGHT)), Reason.TURN_MISSING),
        (with_face(turns=(RIGHT, LEFT, RIGHT)), Reason.TURN_WRONG_ORDER),
        (with_face(turns=(LEFT, RIGHT, LEFT, RIGHT)), Reason.TURN_WRONG_ORDER),
        (with_face(parallax=0.03), Reason.NO_PARALLAX),
        (with_history(reused=True), Reason.RECORDING_REUSED),
        (with_history(face=Outcome.NON_MATCH), Reason.FACE_MISMATCH),
        (with_history(voice=Outcome.NON_MATCH), Reason.VOICE_MISMATCH),
    ],
)
def test_each_shortcoming_rejects_with_its_reason(evidence: RecordingEvidence, reason: Reason) -> None:
    assert decide(evidence) == (Status.REJECTED, (reason,))


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (with_face(constancy=Outcome.INCONCLUSIVE), Reason.FACE_CHANGED),
        (with_face(parallax=0.05), Reason.NO_PARALLAX),
        (with_history(face=Outcome.INCONCLUSIVE, voice=Outcome.MATCH), Reason.FACE_MISMATCH),
        (with_history(face=Outcome.MATCH, voice=Outcome.INCONCLUSIVE), Reason.VOICE_MISMATCH),
        (with_history(elsewhere=True), Reason.FACE_ENROLLED_ELSEWHERE),
    ],
)
def test_each_doubt_goes_to_a_moderator(evidence: RecordingEvidence, reason: Reason) -> None:
    assert decide(evidence) == (Status.NEEDS_REVIEW, (reason,))


def test_nothing_at_all_is_rejected_with_every_reason_that_can_be_known() -> None:
    status, reasons = decide(RecordingEvidence())
    assert status is Status.REJECTED
    assert set(reasons) == {Reason.NO_SOUND, Reason.NO_FACE, Reason.TURN_MISSING}


@pytest.mark.parametrize("digits", ["407192", "40719", "4071922", "407193"])
def test_one_slip_of_the_recognizer_is_forgiven(digits: str) -> None:
    assert decide(with_voice(digits=digits))[0] is Status.ACCEPTED


def test_challenge_is_good_until_it_expires_and_once() -> None:
    last = replace(CHALLENGE, expires_at=NOW)
    assert decide(GOOD, last) == (Status.REJECTED, (Reason.CHALLENGE_EXPIRED,))
    used = replace(CHALLENGE, used_by=CameoId("cam_1"))
    assert decide(GOOD, used) == (Status.REJECTED, (Reason.CHALLENGE_USED,))


def test_lips_only_support_what_other_evidence_says() -> None:
    silent_lips = with_face(lip_sync=-0.2)
    assert decide(silent_lips) == (Status.ACCEPTED, ())
    doubtful = replace(silent_lips, history=History(elsewhere=True))
    assert decide(doubtful) == (
        Status.NEEDS_REVIEW,
        (Reason.FACE_ENROLLED_ELSEWHERE, Reason.LIPS_OUT_OF_SYNC),
    )
    wrong = replace(silent_lips, voice=replace(VOICE, digits="1"))
    assert decide(wrong) == (Status.REJECTED, (Reason.WRONG_DIGITS, Reason.LIPS_OUT_OF_SYNC))


@given(
    st.builds(
        FaceEvidence,
        frames=st.integers(0, 500),
        with_face=st.floats(0, 1),
        with_several=st.floats(0, 1),
        side_px=st.floats(0, 2000),
        brightness=st.floats(0, 1),
        looks=st.integers(0, 12),
        constancy=st.sampled_from(Outcome),
        turns=st.lists(st.sampled_from(Turn), max_size=4).map(tuple),
        parallax=st.none() | st.floats(0, 1),
        lip_sync=st.none() | st.floats(-1, 1),
    ),
    st.builds(
        VoiceEvidence,
        has_sound=st.booleans(),
        speech_seconds=st.floats(0, 60),
        snr_db=st.floats(-20, 60),
        digits=st.text("0123456789", max_size=8),
    ),
    st.builds(
        History,
        reused=st.booleans(),
        face=st.none() | st.sampled_from(Outcome),
        voice=st.none() | st.sampled_from(Outcome),
        elsewhere=st.booleans(),
    ),
)
def test_accepted_means_without_reasons_and_only_then(
    face: FaceEvidence, voice: VoiceEvidence, history: History
) -> None:
    status, reasons = decide(RecordingEvidence(face, voice, history))
    assert (status is Status.ACCEPTED) == (not reasons)
    if status is Status.ACCEPTED:
        assert face.turns == CHALLENGE.turns
        assert face.constancy is Outcome.MATCH
        assert voice.has_sound
        assert not history.reused
        assert Outcome.NON_MATCH not in {history.face, history.voice}
