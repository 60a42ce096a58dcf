"""The two decisions that let a clip out: admission (before marking) and publication (of the read-back file).

In: the evidence gathered by the steps, and `now`. Out: proceed, refuse or review, with reason codes. Pure:
no I/O, no clock. Serves journey 3: a clip whose marks or consent cannot be shown never leaves.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent_service.clips.domain import Ruling, Sound, Use
from consent_service.kernel.ids import GrantId, LikenessId
from consent_service.policy import questions
from consent_service.policy.domain import Effect, PolicyDecision


class Reason(StrEnum):
    """Reason codes this slice adds to those of the policies and the grant check."""

    CONSENT_DENIED = "consent_denied"
    POLICY_DENIED = "policy_denied"
    UPHELD_ON_REVIEW = "upheld_on_review"
    MARK_UNREADABLE = "mark_unreadable"
    SOUND_MARK_UNREADABLE = "sound_mark_unreadable"
    SIGNATURE_UNREADABLE = "signature_unreadable"
    SIGNATURE_UNTRUSTED = "signature_untrusted"
    CONSENT_WITHDRAWN = "consent_withdrawn_during_publish"
    SIGNER_UNAVAILABLE = "signer_unavailable"
    TIMESTAMP_UNAVAILABLE = "timestamp_unavailable"
    STORAGE_FULL = "storage_full"
    MEDIA_UNUSABLE = "media_unusable"
    INTERNAL_ERROR = "internal_error"


class Outcome(StrEnum):
    """Three-valued answers; only `PROCEED` lets a clip go on."""

    PROCEED = "proceed"
    REFUSE = "refuse"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome and the reason codes behind it, each once, in the order they were found."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LikenessCheck:
    """What the grants said about one declared likeness."""

    likeness_id: LikenessId
    decision: str
    reasons: tuple[str, ...]
    grant_id: GrantId | None
    policy_version: str
    valid_until: datetime | None


class Match(StrEnum):
    """How a face or voice in the clip compares with the enrolled ones."""

    DECLARED = "declared"
    UNDECLARED = "undeclared"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face seen or a voice heard for a while.

    Attributes:
        likeness_id: Whom it matched; none for an unknown one.
        first_seconds: When it first appears, in seconds.
        samples: In how many sampled frames, or windows of speech, it appears.
        score: The mean comparison score (its scale belongs to the comparison).
    """

    use: Use
    match: Match
    likeness_id: LikenessId | None
    first_seconds: float
    samples: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything the scan saw and heard, and how closely it looked."""

    sightings: tuple[Sighting, ...]
    frames: int
    speech_seconds: float


_OUTCOMES: Final[Mapping[Effect, Outcome]] = {
    Effect.ALLOW: Outcome.PROCEED,
    Effect.DENY: Outcome.REFUSE,
    Effect.INDETERMINATE: Outcome.REVIEW,
}


def count_checks(checks: Iterable[LikenessCheck]) -> questions.Consents:
    """Count the answers for the policy; an answer nobody knows counts as a denial."""
    decisions = [check.decision for check in checks]
    allowed, indeterminate = decisions.count("allow"), decisions.count("indeterminate")
    return questions.Consents(allowed, len(decisions) - allowed - indeterminate, indeterminate)


def count_scan(scan: Scan, ruling: Ruling | None) -> questions.Scan:
    """Count the findings for the policy."""
    found = Counter((sighting.use, sighting.match) for sighting in scan.sightings)
    return questions.Scan(
        undeclared_faces=found[Use.FACE, Match.UNDECLARED],
        undeclared_voices=found[Use.VOICE, Match.UNDECLARED],
        uncertain_faces=found[Use.FACE, Match.UNCERTAIN],
        uncertain_voices=found[Use.VOICE, Match.UNCERTAIN],
        unknown_faces=found[Use.FACE, Match.UNKNOWN],
        unknown_voices=found[Use.VOICE, Match.UNKNOWN],
        reviewed=ruling is Ruling.RELEASE,
    )


def decide_admission(checks: Iterable[LikenessCheck], policy: PolicyDecision) -> Decision:
    """Decide whether a clip may be marked: as the policy says, and never without a grant for every likeness.

    The reasons are the policy's, followed by those of every check that did not allow.
    """
    checks = tuple(checks)
    outcome = _OUTCOMES[policy.effect]
    reasons = [
        *policy.reasons,
        *(code for each in checks if each.decision != "allow" for code in each.reasons),
    ]
    if outcome is Outcome.PROCEED and any(each.decision != "allow" or not each.grant_id for each in checks):
        outcome, reasons = Outcome.REFUSE, [Reason.CONSENT_DENIED, *reasons]
    return Decision(outcome, () if outcome is Outcome.PROCEED else _once(reasons))


def _once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(code) for code in codes))


@dataclass(frozen=True, slots=True)
class GrantStanding:
    """What one grant is worth at the moment of publication."""

    grant_id: GrantId
    standing: str
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutputEvidence:
    """What a stranger reads from our finished file, and what the grants say now.

    Attributes:
        intended: The 8-byte identifier recorded before marking.
        video_payload: The 8 bytes read back from the picture, or none.
        audio_payload: The 5-byte prefix read back from the sound, or none.
        intact: The manifest's hard binding matches the file; none when it could not be told.
        trusted: The signer stands under our trust policy; none when it could not be told.
        bound: The mark read back is the one the manifest names as its soft binding.
        sha256: Hash of the file that was read; evidence speaks of no other.
    """

    intended: bytes
    sound: Sound
    video_payload: bytes | None
    audio_payload: bytes | None
    intact: bool | None
    trusted: bool | None
    bound: bool
    grants: tuple[GrantStanding, ...]
    sha256: str = ""

    def with_grants(self, grants: tuple[GrantStanding, ...]) -> "OutputEvidence":
        """Return the same evidence with the grants as they stand by now."""
        return replace(self, grants=grants)


def count_standings(evidence: OutputEvidence, now: datetime) -> questions.Consents:
    """Count the grants that still stand for the policy; anything but a valid grant counts as a denial."""
    standing = sum(_stands(grant, now) for grant in evidence.grants)
    return questions.Consents(standing, len(evidence.grants) - standing, 0)


def decide_publication(evidence: OutputEvidence, policy: PolicyDecision, now: datetime) -> Decision:
    """Decide whether the finished file may be published at `now`; anything not shown is a refusal.

    1. The picture gives back exactly the intended identifier.
    2. The sound, when there is any to hear, gives back its first bytes. A clip without sound, or with
       digital silence, has nothing that could carry a mark: only the picture's is asked for.
    3. The manifest is intact, carries the identifier, and its signer is trusted.
    4. Every grant the admission rested on still stands.
    5. The policy allows. It may ask for more than 1 to 4, never for less.
    """
    reasons: tuple[str, ...] = (
        *_mark_reasons(evidence),
        *_signature_reasons(evidence),
        *_grant_reasons(evidence, now),
    )
    if policy.effect is not Effect.ALLOW:
        reasons += policy.reasons or (Reason.POLICY_DENIED,)
    return Decision(Outcome.REFUSE if reasons else Outcome.PROCEED, _once(reasons))


def _mark_reasons(evidence: OutputEvidence) -> tuple[Reason, ...]:
    if evidence.video_payload != evidence.intended:
        return (Reason.MARK_UNREADABLE,)
    heard = evidence.audio_payload
    if heard is not None and not (heard and evidence.intended.startswith(heard)):
        return (Reason.MARK_UNREADABLE, Reason.SOUND_MARK_UNREADABLE)
    if evidence.sound is Sound.AUDIBLE and heard is None:
        return (Reason.MARK_UNREADABLE, Reason.SOUND_MARK_UNREADABLE)
    return ()


def _signature_reasons(evidence: OutputEvidence) -> tuple[Reason, ...]:
    if evidence.intact is not True or not evidence.bound:
        return (Reason.SIGNATURE_UNREADABLE,)
    return () if evidence.trusted is True else (Reason.SIGNATURE_UNTRUSTED,)


def _grant_reasons(evidence: OutputEvidence, now: datetime) -> tuple[Reason, ...]:
    stands = all(_stands(grant, now) for grant in evidence.grants)
    return () if stands else (Reason.CONSENT_WITHDRAWN,)


def _stands(grant: GrantStanding, now: datetime) -> bool:
    return grant.standing == "valid" and (grant.valid_until is None or now < grant.valid_until)
