"""Journey 2: may he use her for this? Allow, or deny with the reason."""

from datetime import UTC, datetime, timedelta

import pytest

from consent_service.demo.client import Caller, JsonObject
from tests.journeys.conftest import Enrolled, Platform


@pytest.fixture
def question(she: Enrolled, grant: JsonObject) -> JsonObject:
    assert grant["standing"] == "valid"
    return {
        "likeness_id": she.likeness_id,
        "requester_id": "user-1",
        "uses": ["face", "voice"],
        "purpose": "entertainment",
        "region": "DE",
    }


def test_what_she_granted_is_allowed(platform: Platform, question: JsonObject) -> None:
    answer = platform.caller.post("/v1/checks", question)
    assert answer["decision"] == "allow"
    assert answer["grant_id"]
    assert answer["valid_until"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"purpose": "advertising"}, "purpose_not_granted"),
        ({"requester_id": "user-2"}, "no_grant"),
        ({"commercial": True}, "commercial_not_granted"),
        ({"likeness_id": "lik_" + "2" * 26}, "no_grant"),
        ({"at": (datetime.now(UTC) + timedelta(days=60)).isoformat()}, "grant_expired"),
    ],
)
def test_what_she_did_not_grant_is_denied(
    platform: Platform, question: JsonObject, change: JsonObject, reason: str
) -> None:
    answer = platform.caller.post("/v1/checks", {**question, **change})
    assert answer["decision"] == "deny"
    assert reason in answer["reasons"]


def test_another_platform_learns_nothing(other_platform: Caller, question: JsonObject) -> None:
    answer = other_platform.post("/v1/checks", question)
    assert (answer["decision"], answer["reasons"], answer["grant_id"]) == ("deny", ["no_grant"], None)
