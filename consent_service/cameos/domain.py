"""Decides whether a recording enrols the person who asked for it.

In: the challenge that was set, the evidence measured on the recording, the time it was received. Out:
accepted, rejected or needs review, with reason codes. Pure.

The evidence answers four questions: was it made for this challenge (digits, turns, expiry, single use), is a
person of flesh before the camera (depth while turning), is it one person throughout, and is it the person
already enrolled. None of this is an evaluated presentation attack detection in the sense of ISO/IEC 30107-3.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent_service.biometrics.arrays import Template
from consent_service.biometrics.comparison import Outcome
from consent_service.biometrics.transcripts import digit_errors
from consent_service.kernel.ids import CameoId, ChallengeId, LikenessId, PersonId

DIGITS: Final = 6
TURNS: Final = 3

MOST_DIGIT_ERRORS: Final = 1
"""With one error tolerated, an answer to another challenge passes in 55 of a million cases, and slips of the
recognizer no longer send people away; two would let through twenty-five times as many."""


class Turn(StrEnum):
    """A turn of the head, to the filmed person's own side."""

    LEFT = "left"
    RIGHT = "right"


class Status(StrEnum):
    """Where a cameo stands."""

    PROCESSING = "processing"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NEEDS_REVIEW = "needs_review"


class Reason(StrEnum):
    """Why a recording was not simply accepted."""

    CHALLENGE_EXPIRED = "challenge_expired"
    CHALLENGE_USED = "challenge_used"
    RECORDING_REUSED = "recording_reused"
    NO_SOUND = "no_sound"
    NO_SPEECH = "no_speech"
    SOUND_TOO_NOISY = "sound_too_noisy"
    WRONG_DIGITS = "wrong_digits"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_TOO_SMALL = "face_too_small"
    FACE_TOO_DARK = "face_too_dark"
    FACE_CHANGED = "face_changed"
    TURN_MISSING = "turn_missing"
    TURN_WRONG_ORDER = "turn_wrong_order"
    NO_PARALLAX = "no_parallax"
    LIPS_OUT_OF_SYNC = "lips_out_of_sync"
    FACE_MISMATCH = "face_mismatch"
    VOICE_MISMATCH = "voice_mismatch"
    FACE_ENROLLED_ELSEWHERE = "face_enrolled_elsewhere"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a person must do in a recording, once, before it expires.

    Attributes:
        id: Its identifier.
        person_id: Whom it was set.
        digits: Six digits to say aloud.
        turns: Turns of the head, in this order.
        expires_at: From then on no recording answers it.
        used_by: The cameo that answered it, if any.
    """

    id: ChallengeId
    person_id: PersonId
    digits: str
    turns: tuple[Turn, ...]
    expires_at: datetime
    used_by: CameoId | None = None


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """What the frames show.

    Attributes:
        frames: Frames looked at.
        with_face: Share of them with a face, 0 to 1.
        with_several: Share of them with a second face of comparable size, 0 to 1.
        side_px: Median side of the face in pixels of the recording; of distant faces when there is no near
            one.
        brightness: Median luma of the face, 0 to 1.
        looks: Frontal frames in which the face was described by a template.
        constancy: Whether it is one face throughout, between any two of these looks.
        turns: Turns seen, in order.
        parallax: Residual of the best plane through both extremes, in eye distances; None without a face.
        lip_sync: Correlation of mouth and sound, -1 to 1; None without speech.
    """

    frames: int = 0
    with_face: float = 0.0
    with_several: float = 0.0
    side_px: float = 0.0
    brightness: float = 0.0
    looks: int = 0
    constancy: Outcome = Outcome.INCONCLUSIVE
    turns: tuple[Turn, ...] = ()
    parallax: float | None = None
    lip_sync: float | None = None


@dataclass(frozen=True, slots=True)
class VoiceEvidence:
    """What the sound holds.

    Attributes:
        has_sound: Whether there is a sound track at all.
        speech_seconds: Length of all speech.
        snr_db: Speech over noise, decibels.
        digits: The digits heard.
    """

    has_sound: bool = False
    speech_seconds: float = 0.0
    snr_db: float = 0.0
    digits: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """How the recording compares with what was enrolled and received before.

    Attributes:
        reused: Whether this recording, perhaps re-encoded, came in before.
        face: Comparison with the person's enrolled face; None when there is none.
        voice: Comparison with the person's enrolled voice; None when there is none.
        elsewhere: Whether the face matches another person's likeness.
    """

    reused: bool = False
    face: Outcome | None = None
    voice: Outcome | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class RecordingEvidence:
    """Everything a decision rests on; figures only, no templates."""

    face: FaceEvidence = field(default_factory=FaceEvidence)
    voice: VoiceEvidence = field(default_factory=VoiceEvidence)
    history: History = field(default_factory=History)


@dataclass(frozen=True, slots=True)
class EnrolmentDecision:
    """What becomes of a recording.

    Attributes:
        status: Accepted, rejected or needs review.
        reasons: Why not accepted; empty when accepted.
    """

    status: Status
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirements:
    """The bounds of the decision, with what they were measured against.

    Attributes:
        with_face: Least share of frames with a face.
        with_several: Largest share of frames with a second face.
        looks: Least number of frontal frames.
        side_px: Least side of the face; below it templates of one person drift apart.
        brightness: Least luma of the face.
        parallax: Heads that made both turns gave 0.064 and more.
        flat: Photographs turned by up to 40 degrees gave 0.044 and less in nine cases of ten; between both
            bounds a person looks. Of 81 photographs turned by 30 to 60 degrees none passed for both turns.
        speech_seconds: Least speech.
        snr_db: Least signal-to-noise ratio; digits are heard at 5 dB, but a voice is hardly one's own there.
        lip_sync: Below it, mouth and sound do not go together; supports a review, never rejects alone.
    """

    with_face: float = 0.85
    with_several: float = 0.15
    looks: int = 3
    side_px: float = 90.0
    brightness: float = 0.15
    parallax: float = 0.056
    flat: float = 0.045
    speech_seconds: float = 1.5
    snr_db: float = 10.0
    lip_sync: float = 0.1


REQUIREMENTS: Final = Requirements()


def decide_enrolment(
    challenge: Challenge, evidence: RecordingEvidence, now: datetime, required: Requirements = REQUIREMENTS
) -> EnrolmentDecision:
    """Decide on a recording.

    Args:
        challenge: What was asked of the person.
        evidence: What was measured on the recording.
        now: When the recording was received.
        required: Bounds in force.
    """
    against = (
        *_challenge_reasons(challenge, now),
        *_voice_reasons(challenge, evidence.voice, required),
        *_face_reasons(evidence.face, required),
        *_turn_reasons(challenge, evidence.face, required),
        *_history_reasons(evidence.history),
    )
    if against:
        return EnrolmentDecision(Status.REJECTED, (*against, *_supporting(evidence.face, required)))
    doubts = tuple(_doubts(evidence, required))
    if doubts:
        return EnrolmentDecision(Status.NEEDS_REVIEW, (*doubts, *_supporting(evidence.face, required)))
    return EnrolmentDecision(Status.ACCEPTED)


def _challenge_reasons(challenge: Challenge, now: datetime) -> Iterator[Reason]:
    if now >= challenge.expires_at:
        yield Reason.CHALLENGE_EXPIRED
    if challenge.used_by is not None:
        yield Reason.CHALLENGE_USED


def _voice_reasons(challenge: Challenge, voice: VoiceEvidence, required: Requirements) -> Iterator[Reason]:
    if not voice.has_sound:
        yield Reason.NO_SOUND
    elif voice.speech_seconds < required.speech_seconds:
        yield Reason.NO_SPEECH
    else:
        if voice.snr_db < required.snr_db:
            yield Reason.SOUND_TOO_NOISY
        if digit_errors(challenge.digits, voice.digits) > MOST_DIGIT_ERRORS:
            yield Reason.WRONG_DIGITS


def _face_reasons(face: FaceEvidence, required: Requirements) -> Iterator[Reason]:
    if 0 < face.side_px < required.side_px:
        yield Reason.FACE_TOO_SMALL
    elif face.with_face < required.with_face or face.looks < required.looks:
        yield Reason.NO_FACE
    if face.with_several > required.with_several:
        yield Reason.SEVERAL_FACES
    if face.with_face and face.brightness < required.brightness:
        yield Reason.FACE_TOO_DARK
    if face.constancy is Outcome.NON_MATCH:
        yield Reason.FACE_CHANGED


def _turn_reasons(challenge: Challenge, face: FaceEvidence, required: Requirements) -> Iterator[Reason]:
    if len(face.turns) < len(challenge.turns):
        yield Reason.TURN_MISSING
    elif face.turns != challenge.turns:
        yield Reason.TURN_WRONG_ORDER
    if face.parallax is not None and face.parallax < required.flat:
        yield Reason.NO_PARALLAX


def _history_reasons(history: History) -> Iterator[Reason]:
    if history.reused:
        yield Reason.RECORDING_REUSED
    if history.face is Outcome.NON_MATCH:
        yield Reason.FACE_MISMATCH
    if history.voice is Outcome.NON_MATCH:
        yield Reason.VOICE_MISMATCH


def _doubts(evidence: RecordingEvidence, required: Requirements) -> Iterator[Reason]:
    """Yield what is neither shown nor refuted; a moderator looks at it."""
    face, history = evidence.face, evidence.history
    if face.constancy is Outcome.INCONCLUSIVE:
        yield Reason.FACE_CHANGED
    if face.parallax is None or face.parallax < required.parallax:
        yield Reason.NO_PARALLAX
    if history.face is Outcome.INCONCLUSIVE:
        yield Reason.FACE_MISMATCH
    if history.voice is Outcome.INCONCLUSIVE:
        yield Reason.VOICE_MISMATCH
    if history.elsewhere:
        yield Reason.FACE_ENROLLED_ELSEWHERE


def _supporting(face: FaceEvidence, required: Requirements) -> Iterator[Reason]:
    if face.lip_sync is not None and face.lip_sync < required.lip_sync:
        yield Reason.LIPS_OUT_OF_SYNC


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One enrolled likeness, decrypted in memory.

    Attributes:
        likeness_id: Whose it is.
        face: `(128,) float32`.
        voice: `(256,) float32` of unit length; None when no voice was enrolled.
    """

    likeness_id: LikenessId
    face: Template = field(repr=False)
    voice: Template | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Gallery:
    """The enrolled likenesses a clip is scanned against."""

    entries: tuple[GalleryEntry, ...] = ()
