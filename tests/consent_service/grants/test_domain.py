"""The state machine, and the decision: each reason by itself, then the laws that hold for all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consent_service.grants.checks import combine, question_of
from consent_service.grants.domain import (
    CheckRequest,
    Grant,
    GrantOnFile,
    GrantState,
    Standing,
    decide_check,
    move,
    standing_of,
)
from consent_service.grants.terms import PROTECTED_TOPICS, GrantTerms, Use, covers
from consent_service.kernel.errors import ConflictError, InvalidInputError
from consent_service.kernel.ids import GrantId, LikenessId, PersonId, RelyingPartyId, new_id
from consent_service.policy.domain import Effect, PolicyDecision
from consent_service.policy.engine import PolicyEngine

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARTY, OTHER_PARTY = (RelyingPartyId(new_id("rp")) for _ in range(2))
LIKENESS, PERSON = LikenessId(new_id("lik")), PersonId(new_id("per"))
STRICTNESS = {Effect.ALLOW: 0, Effect.INDETERMINATE: 1, Effect.DENY: 2}


def make_terms(relying_party_id: RelyingPartyId, **changes: Any) -> GrantTerms:
    facts: dict[str, Any] = {
        "relying_party_id": relying_party_id,
        "requesters": frozenset({"*"}),
        "uses": frozenset({Use.FACE, Use.VOICE}),
        "purposes": frozenset({"entertainment", "education"}),
        "commercial": False,
        "regions": frozenset({"001"}),
        "description": "Short comic scenes among friends.",
        "not_before": NOW,
        "not_after": NOW + timedelta(days=365),
    }
    return GrantTerms(**(facts | changes))


def on_file(terms: GrantTerms, state: GrantState = GrantState.ACTIVE, grant_id: str = "grt_1") -> GrantOnFile:
    return GrantOnFile(GrantId(grant_id), LIKENESS, PERSON, state, terms)


def question(**changes: Any) -> CheckRequest:
    facts: dict[str, Any] = {
        "relying_party_id": PARTY,
        "likeness_id": LIKENESS,
        "requester_id": "user-1",
        "uses": frozenset({Use.FACE}),
        "purpose": "entertainment",
    }
    return CheckRequest(**(facts | changes))


def grant(state: GrantState = GrantState.ACTIVE) -> Grant:
    return Grant(
        GrantId("grt_1"),
        LIKENESS,
        PERSON,
        make_terms(PARTY),
        state,
        NOW,
        (0, 1),
        "v",
        "rec_1",
        "00",
        NOW if state is GrantState.REVOKED else None,
    )


END = make_terms(PARTY).not_after
ALLOWED_MOVES = {
    (GrantState.ACTIVE, GrantState.SUSPENDED, NOW),
    (GrantState.ACTIVE, GrantState.REVOKED, NOW),
    (GrantState.ACTIVE, GrantState.REVOKED, END),
    (GrantState.ACTIVE, GrantState.SUSPENDED, END),
    (GrantState.ACTIVE, GrantState.EXPIRED, END),
    (GrantState.SUSPENDED, GrantState.ACTIVE, NOW),
    (GrantState.SUSPENDED, GrantState.REVOKED, NOW),
    (GrantState.SUSPENDED, GrantState.REVOKED, END),
    (GrantState.SUSPENDED, GrantState.EXPIRED, END),
}


@pytest.mark.parametrize("now", [NOW, END])
@pytest.mark.parametrize("target", GrantState)
@pytest.mark.parametrize("source", GrantState)
def test_every_transition_is_either_made_or_refused(source: GrantState, target: GrantState, now: Any) -> None:
    before = grant(source)
    if source is target:
        assert move(before, target, now) is before
    elif (source, target, now) in ALLOWED_MOVES:
        after = move(before, target, now)
        assert after.state is target
        assert after.revoked_at == (now if target is GrantState.REVOKED else None)
    else:
        with pytest.raises(ConflictError, match=r"cannot become|does not expire"):
            move(before, target, now)


def test_a_row_whose_state_and_date_disagree_is_no_grant() -> None:
    with pytest.raises(ValueError, match="exactly when"):
        replace(grant(), revoked_at=NOW)
    with pytest.raises(ValueError, match="exactly when"):
        replace(grant(GrantState.REVOKED), revoked_at=None)


@pytest.mark.parametrize(
    ("state", "now", "standing"),
    [
        (GrantState.ACTIVE, NOW, Standing.VALID),
        (GrantState.ACTIVE, NOW - timedelta(seconds=1), Standing.NOT_YET_VALID),
        (GrantState.ACTIVE, END, Standing.EXPIRED),
        (GrantState.SUSPENDED, NOW, Standing.SUSPENDED),
        (GrantState.SUSPENDED, END, Standing.EXPIRED),
        (GrantState.REVOKED, END, Standing.REVOKED),
        (GrantState.EXPIRED, NOW, Standing.EXPIRED),
    ],
)
def test_standing(state: GrantState, now: Any, standing: Standing) -> None:
    assert standing_of(state, NOW, END, now) is standing


CASES: list[tuple[dict[str, Any], dict[str, Any], Effect, tuple[str, ...]]] = [
    ({}, {}, Effect.ALLOW, ("granted",)),
    ({}, {"likeness_id": LikenessId("lik_other")}, Effect.DENY, ("no_grant",)),
    ({}, {"relying_party_id": OTHER_PARTY}, Effect.DENY, ("no_grant",)),
    ({"requesters": frozenset({"user-2"})}, {}, Effect.DENY, ("no_grant",)),
    ({"requesters": frozenset({"user-1"})}, {}, Effect.ALLOW, ("granted",)),
    ({"uses": frozenset({Use.VOICE})}, {}, Effect.DENY, ("use_not_granted",)),
    ({}, {"purpose": "news"}, Effect.DENY, ("purpose_not_granted",)),
    (
        {"forbidden": frozenset({"alcohol"})},
        {"categories": frozenset({"alcohol"})},
        Effect.DENY,
        ("topic_forbidden",),
    ),
    ({}, {"commercial": True}, Effect.DENY, ("commercial_not_granted",)),
    ({"commercial": True}, {"commercial": True}, Effect.ALLOW, ("granted",)),
    ({}, {"remix": True}, Effect.DENY, ("remix_not_granted",)),
    ({"remix": True}, {"remix": True}, Effect.ALLOW, ("granted",)),
    ({"regions": frozenset({"DE"})}, {"region": "US"}, Effect.DENY, ("region_not_granted",)),
    ({"regions": frozenset({"DE"})}, {"region": "DE"}, Effect.ALLOW, ("granted",)),
    ({"regions": frozenset({"DE"})}, {}, Effect.INDETERMINATE, ("region_unknown",)),
    ({}, {"region": "US"}, Effect.ALLOW, ("granted",)),
    ({"max_seconds": 9}, {"seconds": 10}, Effect.DENY, ("duration_not_granted",)),
    ({"max_seconds": 9}, {"seconds": 9}, Effect.ALLOW, ("granted",)),
    ({"max_seconds": 9}, {}, Effect.INDETERMINATE, ("duration_unknown",)),
    ({"max_seconds": 9}, {"purpose": "news"}, Effect.DENY, ("purpose_not_granted",)),
    ({}, {"at": NOW + timedelta(days=400)}, Effect.DENY, ("grant_expired",)),
    ({}, {"at": NOW + timedelta(days=300)}, Effect.ALLOW, ("granted",)),
    ({"not_before": NOW + timedelta(days=1)}, {}, Effect.DENY, ("grant_not_yet_valid",)),
    ({"not_before": NOW + timedelta(days=1)}, {"at": NOW + timedelta(days=1)}, Effect.ALLOW, ("granted",)),
    ({}, {"at": NOW - timedelta(days=1)}, Effect.ALLOW, ("granted",)),
]


@pytest.mark.parametrize(("terms", "asked", "effect", "reasons"), CASES)
def test_each_reason_by_itself(
    terms: dict[str, Any], asked: dict[str, Any], effect: Effect, reasons: tuple[str, ...]
) -> None:
    finding = decide_check([on_file(make_terms(PARTY, **terms))], question(**asked), NOW)
    assert (finding.effect, finding.reasons) == (effect, reasons)


@pytest.mark.parametrize("state", [GrantState.SUSPENDED, GrantState.REVOKED, GrantState.EXPIRED])
def test_only_an_active_grant_allows(state: GrantState) -> None:
    finding = decide_check([on_file(make_terms(PARTY), state)], question(), NOW)
    assert (finding.effect, finding.reasons) == (Effect.DENY, (f"grant_{state.value}",))


def test_among_several_grants_the_one_that_allows_counts_then_the_closest() -> None:
    revoked = on_file(make_terms(PARTY), GrantState.REVOKED, "grt_1")
    good = on_file(make_terms(PARTY), grant_id="grt_2")
    far = on_file(make_terms(PARTY, uses=frozenset({Use.VOICE})), GrantState.REVOKED, "grt_0")
    assert decide_check([far, revoked, good], question(), NOW).grant is good
    assert decide_check([far, revoked], question(), NOW).grant is revoked
    assert decide_check([], question(), NOW).grant is None


@pytest.mark.parametrize(
    "changes",
    [
        {"uses": frozenset()},
        {"requester_id": ""},
        {"requester_id": "*"},
        {"purpose": "No such word"},
        {"categories": frozenset({"x y"})},
        {"region": "001"},
        {"region": "Germany"},
        {"seconds": 0},
        {"at": NOW.replace(tzinfo=None)},
    ],
)
def test_a_question_that_is_not_well_formed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        question(**changes)
    assert caught.value.code == "check_invalid"


# Laws. Small vocabularies, so that requests and terms meet often; a busy machine breaks no law.
REQUESTERS, TOPICS, REGIONS = ("user-1", "user-2"), ("entertainment", "news", "alcohol"), ("DE", "FR")


calm = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def some(values: Any) -> st.SearchStrategy[Any]:
    return st.frozensets(st.sampled_from(values), min_size=1)


@st.composite
def any_terms(draw: st.DrawFn) -> GrantTerms:
    purposes = draw(some(TOPICS))
    start = draw(st.integers(-3, 3))
    return make_terms(
        PARTY,
        requesters=draw(st.one_of(st.just(frozenset({"*"})), some(REQUESTERS))),
        uses=draw(some(tuple(Use))),
        purposes=purposes,
        forbidden=draw(st.frozensets(st.sampled_from(TOPICS))) - purposes,
        commercial=draw(st.booleans()),
        remix=draw(st.booleans()),
        regions=draw(st.one_of(st.just(frozenset({"001"})), some(REGIONS))),
        max_seconds=draw(st.sampled_from([None, 5, 10])),
        not_before=NOW + timedelta(seconds=start),
        not_after=NOW + timedelta(seconds=start + draw(st.integers(1, 5))),
    )


@st.composite
def any_question(draw: st.DrawFn) -> CheckRequest:
    at = draw(st.one_of(st.none(), st.integers(-4, 8).map(lambda n: NOW + timedelta(seconds=n / 2))))
    return question(
        requester_id=draw(st.sampled_from(REQUESTERS)),
        uses=draw(some(tuple(Use))),
        purpose=draw(st.sampled_from(TOPICS)),
        categories=draw(st.frozensets(st.sampled_from([*TOPICS, *sorted(PROTECTED_TOPICS)]), max_size=2)),
        commercial=draw(st.booleans()),
        remix=draw(st.booleans()),
        region=draw(st.sampled_from([None, *REGIONS, "US"])),
        seconds=draw(st.sampled_from([None, 4, 7, 12])),
        at=at,
    )


states = st.sampled_from(GrantState)
on_files = st.builds(on_file, any_terms(), states, st.sampled_from(["grt_1", "grt_2", "grt_3"]))


def strictness(grants: list[GrantOnFile], asked: CheckRequest) -> int:
    return STRICTNESS[decide_check(grants, asked, NOW).effect]


@calm
@given(st.lists(on_files, min_size=1, max_size=4), any_question(), st.data())
def test_withdrawing_a_grant_never_widens(
    grants: list[GrantOnFile], asked: CheckRequest, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(grants) - 1))
    end = data.draw(st.sampled_from([GrantState.REVOKED, GrantState.SUSPENDED, GrantState.EXPIRED]))
    withdrawn = [*grants[:index], replace(grants[index], state=end), *grants[index + 1 :]]
    assert strictness(withdrawn, asked) >= strictness(grants, asked)


@calm
@given(any_terms(), any_terms(), any_question(), states)
def test_a_narrower_grant_never_allows_more(
    one: GrantTerms, other: GrantTerms, asked: CheckRequest, state: GrantState
) -> None:
    narrow = _meet(one, other)
    assume(narrow is not None)
    assert narrow is not None
    assert covers(one, narrow)
    assert strictness([on_file(narrow, state)], asked) >= strictness([on_file(one, state)], asked)


def _meet(one: GrantTerms, other: GrantTerms) -> GrantTerms | None:
    """Return the widest terms narrower than both, where there are any."""

    def both(a: frozenset[str], b: frozenset[str], top: str) -> frozenset[str]:
        return b if top in a else a if top in b else a & b

    limits = [limit for limit in (one.max_seconds, other.max_seconds) if limit is not None]
    forbidden = one.forbidden | other.forbidden
    try:
        return make_terms(
            PARTY,
            requesters=both(one.requesters, other.requesters, "*"),
            uses=one.uses & other.uses,
            purposes=(one.purposes & other.purposes) - forbidden,
            forbidden=forbidden,
            commercial=one.commercial and other.commercial,
            remix=one.remix and other.remix,
            regions=both(one.regions, other.regions, "001"),
            max_seconds=min(limits, default=None),
            not_before=max(one.not_before, other.not_before),
            not_after=min(one.not_after, other.not_after),
        )
    except InvalidInputError:
        return None


@calm
@given(on_files, any_question())
def test_cedar_and_the_domain_read_a_grant_alike(
    policy: PolicyEngine, held: GrantOnFile, asked: CheckRequest
) -> None:
    # Two readings of the same terms, written apart. Protected topics are the policies' own addition.
    finding = decide_check([held], asked, NOW)
    at = max(asked.at, NOW) if asked.at else NOW
    ruling = policy.decide(question_of(asked, held, at))
    protected = asked.topics & PROTECTED_TOPICS
    assert ruling.reasons != ("policy_error",)
    assert ruling.effect is (Effect.DENY if protected else finding.effect)
    if finding.grant is not None and not protected:
        scope = {"use_not_granted", "purpose_not_granted"}
        assert set(finding.reasons) - scope <= set(ruling.reasons)


@given(st.sampled_from(Effect), st.sampled_from(Effect))
def test_neither_half_of_a_check_can_widen_the_other(theirs: Effect, ours: Effect) -> None:
    held = on_file(make_terms(PARTY))
    finding = replace(decide_check([held], question(), NOW), effect=theirs, reasons=("theirs",))
    decision = combine(finding, PolicyDecision(ours, ("ours",), "v"))
    assert STRICTNESS[decision.decision] == max(STRICTNESS[theirs], STRICTNESS[ours])
    assert (decision.reasons == ("granted",)) == (theirs is ours is Effect.ALLOW)
    assert (decision.valid_until is None) == (decision.decision is not Effect.ALLOW)


def test_a_policy_that_denies_without_a_reason_is_named_as_such() -> None:
    finding = decide_check([on_file(make_terms(PARTY))], question(), NOW)
    assert combine(finding, PolicyDecision(Effect.DENY, (), "v")).reasons == ("policy_denied",)
