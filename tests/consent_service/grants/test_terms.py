"""Terms are complete and bounded, or they are no terms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consent_service.grants.domain import check_at_issue
from consent_service.grants.terms import LONGEST, GrantTerms, Use, covers
from consent_service.kernel.errors import InvalidInputError
from consent_service.kernel.ids import RelyingPartyId, new_id

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARTY = RelyingPartyId(new_id("rp"))


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


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"relying_party_id": RelyingPartyId("somebody")}, "terms_invalid"),
        ({"uses": frozenset()}, "terms_invalid"),
        ({"requesters": frozenset()}, "terms_invalid"),
        ({"requesters": frozenset({"*", "user-1"})}, "terms_invalid"),
        ({"requesters": frozenset({"user 1"})}, "terms_invalid"),
        ({"requesters": frozenset({f"u{n}" for n in range(101)})}, "terms_invalid"),
        ({"purposes": frozenset()}, "terms_invalid"),
        ({"purposes": frozenset({"Entertainment"})}, "terms_invalid"),
        ({"purposes": frozenset({"sexual"})}, "purpose_protected"),
        ({"purposes": frozenset({"news", "political"})}, "purpose_protected"),
        ({"forbidden": frozenset({"education"})}, "terms_invalid"),
        ({"forbidden": frozenset({"a b"})}, "terms_invalid"),
        ({"regions": frozenset()}, "terms_invalid"),
        ({"regions": frozenset({"Germany"})}, "terms_invalid"),
        ({"regions": frozenset({"de"})}, "terms_invalid"),
        ({"description": "  short  "}, "description_too_short"),
        ({"description": "x" * 4001}, "description_too_short"),
        ({"max_seconds": 0}, "terms_invalid"),
        ({"max_seconds": 86401}, "terms_invalid"),
        ({"not_after": NOW}, "terms_invalid"),
        ({"not_after": NOW + LONGEST + timedelta(seconds=1)}, "duration_too_long"),
        ({"not_before": NOW.replace(tzinfo=None)}, "terms_invalid"),
        ({"not_after": datetime(2027, 1, 1)}, "terms_invalid"),  # noqa: DTZ001  # the point of the case
        ({"not_before": NOW.replace(microsecond=1)}, "terms_invalid"),
    ],
)
def test_bad_terms_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_terms(**({"relying_party_id": PARTY} | changes))
    assert caught.value.code == code


def test_ten_years_are_the_most() -> None:
    assert make_terms(PARTY, not_after=NOW + LONGEST).not_after == NOW + LONGEST
    assert NOW.replace(year=NOW.year + 10) >= NOW + LONGEST


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"not_before": NOW - timedelta(seconds=1)}, "grant_backdated"),
        (
            {"not_before": NOW + timedelta(days=1), "not_after": NOW + LONGEST + timedelta(days=1)},
            "duration_too_long",
        ),
    ],
)
def test_terms_must_fit_the_day_they_are_agreed_on(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_at_issue(make_terms(PARTY, **changes), NOW)
    assert caught.value.code == code


def test_a_grant_may_begin_in_the_very_second_it_is_given() -> None:
    check_at_issue(make_terms(PARTY), NOW + timedelta(microseconds=999_999))
    with pytest.raises(InvalidInputError):
        check_at_issue(make_terms(PARTY), NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    "narrower",
    [
        {"requesters": frozenset({"user-1"})},
        {"uses": frozenset({Use.FACE})},
        {"purposes": frozenset({"education"})},
        {"regions": frozenset({"DE"})},
        {"not_after": NOW + timedelta(days=1)},
        {"not_before": NOW + timedelta(days=1)},
        {"forbidden": frozenset({"alcohol"})},
        {"max_seconds": 10},
    ],
)
def test_covers_orders_terms_by_what_they_allow(narrower: dict[str, Any]) -> None:
    wide, narrow = make_terms(PARTY), make_terms(PARTY, **narrower)
    assert covers(wide, narrow)
    assert covers(wide, wide)
    assert not covers(narrow, wide)


def test_the_description_is_named_by_its_hash() -> None:
    one, other = make_terms(PARTY), make_terms(PARTY, description="Something else entirely.")
    assert one.description_sha256 != other.description_sha256
    assert len(one.description_sha256) == 64
