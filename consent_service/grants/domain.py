"""Grants and the decision whether a use is within one. The state machine, and `decide_check`.

In: stored facts, a request, `now`. Out: allow, deny or indeterminate with reason codes. Pure: no I/O, no
clock. This is the person's own side of a check; the policies are asked as well and the stricter answer
counts, so that no rule of an operator can widen what a person agreed to.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from consent_service.grants.terms import EVERYONE, LONGEST, WORLD, GrantTerms, Use
from consent_service.kernel.errors import ConflictError, InvalidInputError
from consent_service.kernel.ids import GrantId, LikenessId, PersonId, RelyingPartyId
from consent_service.policy.domain import Effect

NO_GRANT: Final = "no_grant"
GRANTED: Final = "granted"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
_TOPIC: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REGION: Final = re.compile(r"[A-Z]{2}")


class GrantState(StrEnum):
    """Where a grant stands; revoked and expired are final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Standing(StrEnum):
    """What a grant is worth at an instant, for those who relied on it."""

    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


_NEXT: Final[Mapping[GrantState, frozenset[GrantState]]] = {
    GrantState.ACTIVE: frozenset({GrantState.SUSPENDED, GrantState.REVOKED, GrantState.EXPIRED}),
    GrantState.SUSPENDED: frozenset({GrantState.ACTIVE, GrantState.REVOKED, GrantState.EXPIRED}),
    GrantState.REVOKED: frozenset(),
    GrantState.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One consent as it stands.

    Attributes:
        status_list: Number of the status list and index within it.
        policy_version: Policies in force when it was given.
        receipt_sha256: Hex SHA-256 of the consent record.
    """

    id: GrantId
    likeness_id: LikenessId
    person_id: PersonId
    terms: GrantTerms
    state: GrantState
    issued_at: datetime
    status_list: tuple[int, int]
    policy_version: str
    record_id: str
    receipt_sha256: str
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a row in which state and date of withdrawal contradict each other."""
        if (self.state is GrantState.REVOKED) != (self.revoked_at is not None):
            raise ValueError("a grant is revoked exactly when it has a date of withdrawal")


def move(grant: Grant, target: GrantState, now: datetime) -> Grant:
    """Return the grant in `target`; a grant that is there already is returned as it is.

    Raises:
        ConflictError: Code `grant_state`; the state machine has no such transition, or it is too early or
            too late for it.
    """
    if target is grant.state:
        return grant
    ended = grant.terms.not_after <= now
    if target not in _NEXT[grant.state] or (target is GrantState.ACTIVE and ended):
        raise ConflictError("grant_state", f"a grant that is {grant.state} cannot become {target}")
    if target is GrantState.EXPIRED and not ended:
        raise ConflictError("grant_state", "a grant does not expire before its end")
    return replace(grant, state=target, revoked_at=now if target is GrantState.REVOKED else None)


def check_at_issue(terms: GrantTerms, now: datetime) -> None:
    """Refuse terms that cannot be agreed to at `now`.

    Raises:
        InvalidInputError: Codes `grant_backdated`, `duration_too_long`.
    """
    if terms.not_before < now.replace(microsecond=0):
        raise InvalidInputError("grant_backdated", "a grant cannot begin before it is given")
    if terms.not_after - now > LONGEST:
        raise InvalidInputError("duration_too_long", "a grant ends ten years from now at the latest")


def standing_of(state: GrantState, not_before: datetime, not_after: datetime, now: datetime) -> Standing:
    """Return what a grant is worth at `now`; withdrawal outweighs expiry, expiry outweighs suspension."""
    if state is GrantState.REVOKED:
        return Standing.REVOKED
    if state is GrantState.EXPIRED or not_after <= now:
        return Standing.EXPIRED
    if state is GrantState.SUSPENDED:
        return Standing.SUSPENDED
    return Standing.NOT_YET_VALID if now < not_before else Standing.VALID


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """May this be generated? Asked by a relying party before every use.

    Attributes:
        relying_party_id: The relying party that asks.
        requester_id: The account on its side for whom the clip would be made.
        categories: What the content is declared to contain besides its purpose.
        region: ISO 3166-1 alpha-2 code of where it will be shown.
        seconds: Length of the clip.
        remix: The clip would be made from another clip.
        at: An instant in the future: would it be allowed then, as things stand?
    """

    relying_party_id: RelyingPartyId
    likeness_id: LikenessId
    requester_id: str
    uses: frozenset[Use]
    purpose: str
    commercial: bool = False
    region: str | None = None
    categories: frozenset[str] = frozenset()
    seconds: int | None = None
    remix: bool = False
    at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a question that is not well formed.

        Raises:
            InvalidInputError: Code `check_invalid`.
        """
        names = (self.purpose, *self.categories)
        sound = (
            bool(self.uses)
            and _NAME.fullmatch(self.requester_id) is not None
            and all(_TOPIC.fullmatch(name) for name in names)
            and (self.region is None or _REGION.fullmatch(self.region) is not None)
            and (self.seconds is None or 0 < self.seconds < 2**31)
            and (self.at is None or self.at.tzinfo is not None)
        )
        if not sound:
            raise InvalidInputError("check_invalid", "the question is not well formed")

    @property
    def topics(self) -> frozenset[str]:
        """The purpose and every category."""
        return self.categories | {self.purpose}


@dataclass(frozen=True, slots=True)
class GrantOnFile:
    """The part of a grant that a check needs: read in one query, never trusted beyond its constructor."""

    id: GrantId
    likeness_id: LikenessId
    person_id: PersonId
    state: GrantState
    terms: GrantTerms


@dataclass(frozen=True, slots=True)
class Finding:
    """What one grant says about a request."""

    effect: Effect
    reasons: tuple[str, ...]
    grant: GrantOnFile | None


@dataclass(frozen=True, slots=True)
class CheckDecision:
    """The answer a relying party receives.

    Attributes:
        grant_id: The grant that allows; named for a denial only where the asker holds that grant.
        policy_version: Hex SHA-256 of the policies that were asked.
        valid_until: End of the consent, unless it is withdrawn before: ask again before each use.
    """

    decision: Effect
    reasons: tuple[str, ...]
    grant_id: GrantId | None
    policy_version: str
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class GrantReference:
    """What a published clip says of a grant: where its standing is told, and the receipt's hash."""

    grant_id: GrantId
    status_url: str
    receipt_sha256: str


def decide_check(grants: Iterable[GrantOnFile], request: CheckRequest, now: datetime) -> Finding:
    """Decide whether any grant covers the request at `request.at`, or `now`.

    Returns:
        The first grant that allows; else the one that comes closest, with everything that stands in the way;
        else `no_grant`. A grant to other requesters counts as none.
    """
    at = max(request.at, now) if request.at else now
    findings = [_judge(grant, request, at) for grant in grants if _addressed(grant, request)]
    if not findings:
        return Finding(Effect.DENY, (NO_GRANT,), None)
    return min(findings, key=_distance)


_ORDER: Final = {Effect.ALLOW: 0, Effect.INDETERMINATE: 1, Effect.DENY: 2}


def _distance(finding: Finding) -> tuple[int, int, str]:
    grant_id = finding.grant.id if finding.grant else ""
    return _ORDER[finding.effect], len(finding.reasons), grant_id


def _addressed(grant: GrantOnFile, request: CheckRequest) -> bool:
    terms = grant.terms
    return (
        grant.likeness_id == request.likeness_id
        and terms.relying_party_id == request.relying_party_id
        and (EVERYONE in terms.requesters or request.requester_id in terms.requesters)
    )


def _judge(grant: GrantOnFile, request: CheckRequest, at: datetime) -> Finding:
    denials = (*_state_reasons(grant, at), *_scope_reasons(grant.terms, request))
    if denials:
        return Finding(Effect.DENY, denials, grant)
    if questions := tuple(_open_questions(grant.terms, request)):
        return Finding(Effect.INDETERMINATE, questions, grant)
    return Finding(Effect.ALLOW, (GRANTED,), grant)


def _state_reasons(grant: GrantOnFile, at: datetime) -> Iterable[str]:
    standing = standing_of(grant.state, grant.terms.not_before, grant.terms.not_after, at)
    return () if standing is Standing.VALID else (f"grant_{standing.value}",)


def _scope_reasons(terms: GrantTerms, request: CheckRequest) -> Iterable[str]:
    """Yield what the person did not agree to."""
    if not request.uses <= terms.uses:
        yield "use_not_granted"
    if request.purpose not in terms.purposes:
        yield "purpose_not_granted"
    if request.topics & terms.forbidden:
        yield "topic_forbidden"
    if request.commercial and not terms.commercial:
        yield "commercial_not_granted"
    if request.remix and not terms.remix:
        yield "remix_not_granted"
    if request.region and WORLD not in terms.regions and request.region not in terms.regions:
        yield "region_not_granted"
    if terms.max_seconds and request.seconds and terms.max_seconds < request.seconds:
        yield "duration_not_granted"


def _open_questions(terms: GrantTerms, request: CheckRequest) -> Iterable[str]:
    """Yield what would have to be known before the answer could be yes."""
    if request.region is None and WORLD not in terms.regions:
        yield "region_unknown"
    if request.seconds is None and terms.max_seconds is not None:
        yield "duration_unknown"
