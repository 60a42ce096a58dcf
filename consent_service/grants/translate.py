"""Between wire shapes and domain values, in both directions; nothing is decided here.

In: `schemas` from outside, or domain values. Out: the other. The constructors of the domain judge what
arrives.
"""

from datetime import UTC, datetime

from consent_service.grants.domain import CheckDecision, CheckRequest, Grant
from consent_service.grants.schemas import CheckAnswer, CheckQuestion, GrantView, NewGrant
from consent_service.grants.service import GrantService
from consent_service.grants.terms import GrantTerms, Use
from consent_service.kernel.ids import LikenessId, RelyingPartyId


def terms_of(body: NewGrant, now: datetime) -> GrantTerms:
    """Return the terms a person sent; without a begin they hold from now on."""
    return GrantTerms(
        relying_party_id=RelyingPartyId(body.relying_party_id),
        requesters=frozenset(body.requesters),
        uses=frozenset(Use(use) for use in body.uses),
        purposes=frozenset(body.purposes),
        commercial=body.commercial,
        regions=frozenset(body.regions),
        description=body.description,
        not_before=_whole(body.not_before or now),
        not_after=_whole(body.not_after),
        forbidden=frozenset(body.forbidden),
        remix=body.remix,
        max_seconds=body.max_seconds,
    )


def view_of(grant: Grant, grants: GrantService) -> GrantView:
    """Return a grant as its parties see it."""
    terms = grant.terms
    return GrantView(
        grant_id=grant.id,
        likeness_id=grant.likeness_id,
        relying_party_id=terms.relying_party_id,
        state=grant.state.value,
        standing=grants.standing_of(grant).value,
        requesters=sorted(terms.requesters),
        uses=sorted(use.value for use in terms.uses),
        purposes=sorted(terms.purposes),
        commercial=terms.commercial,
        regions=sorted(terms.regions),
        description=terms.description,
        not_before=terms.not_before,
        not_after=terms.not_after,
        forbidden=sorted(terms.forbidden),
        remix=terms.remix,
        max_seconds=terms.max_seconds,
        issued_at=grant.issued_at,
        revoked_at=grant.revoked_at,
        receipt_sha256=grant.receipt_sha256,
        policy_version=grant.policy_version,
        status_url=grants.status_url(grant.id),
        token=grants.token(grant),
    )


def request_of(body: CheckQuestion, relying_party_id: RelyingPartyId) -> CheckRequest:
    """Return the question a relying party asks."""
    return CheckRequest(
        relying_party_id=relying_party_id,
        likeness_id=LikenessId(body.likeness_id),
        requester_id=body.requester_id,
        uses=frozenset(Use(use) for use in body.uses),
        purpose=body.purpose,
        commercial=body.commercial,
        region=body.region,
        categories=frozenset(body.categories),
        seconds=body.seconds,
        remix=body.remix,
        at=body.at,
    )


def answer_of(decision: CheckDecision) -> CheckAnswer:
    """Return a decision for the wire."""
    return CheckAnswer(
        decision=decision.decision.value,
        reasons=list(decision.reasons),
        grant_id=decision.grant_id,
        policy_version=decision.policy_version,
        valid_until=decision.valid_until,
    )


def _whole(moment: datetime) -> datetime:
    """Round down to the second, in UTC; year 1 and year 9999 cannot be shifted and stay as they are."""
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return moment.replace(microsecond=0)
