"""Joins the two halves of a check: what the person agreed to, and what the policies say.

In: a finding of `domain.decide_check` and the question it answered. Out: the question for Cedar, and the
combined decision. The stricter half counts; neither can widen the other. Pure.
"""

from datetime import datetime
from typing import Final

from consent_service.grants.domain import GRANTED, CheckDecision, CheckRequest, Finding, GrantOnFile
from consent_service.policy.domain import Effect, PolicyDecision, PolicyRequest, strictest
from consent_service.policy.questions import GrantFacts, UseOfLikeness

POLICY_DENIED: Final = "policy_denied"


def question_of(request: CheckRequest, grant: GrantOnFile | None, at: datetime) -> PolicyRequest:
    """Return what Cedar is asked about a request and the grant that comes closest to it."""
    return UseOfLikeness(
        relying_party_id=request.relying_party_id,
        likeness_id=request.likeness_id,
        now=at,
        requester=request.requester_id,
        uses=sorted(request.uses),
        purpose=request.purpose,
        categories=request.categories,
        commercial=request.commercial,
        remix=request.remix,
        region=request.region,
        seconds=request.seconds,
        grant=None if grant is None else _facts(grant),
    ).request()


def combine(finding: Finding, ruling: PolicyDecision) -> CheckDecision:
    """Return the stricter of both answers, with the reasons of whoever objects."""
    effect = strictest(finding.effect, ruling.effect)
    version = ruling.policy_version
    grant_id = None if finding.grant is None else finding.grant.id
    if effect is Effect.ALLOW and finding.grant is not None:
        until = finding.grant.terms.not_after
        return CheckDecision(effect, (GRANTED,), grant_id, version, until)
    objections = finding.reasons if finding.effect is not Effect.ALLOW else ()
    rules = ruling.reasons if ruling.effect is not Effect.ALLOW else ()
    reasons = tuple(dict.fromkeys((*objections, *rules))) or (POLICY_DENIED,)
    return CheckDecision(effect, reasons, grant_id, version, None)


def _facts(grant: GrantOnFile) -> GrantFacts:
    terms = grant.terms
    return GrantFacts(
        likeness_id=grant.likeness_id,
        relying_party_id=terms.relying_party_id,
        state=grant.state.value,
        not_before=terms.not_before,
        not_after=terms.not_after,
        requesters=terms.requesters,
        uses=sorted(terms.uses),
        purposes=terms.purposes,
        forbidden=terms.forbidden,
        commercial=terms.commercial,
        remix=terms.remix,
        regions=terms.regions,
        max_seconds=terms.max_seconds,
    )
