"""Journey 6: what the gate cannot decide waits for a person, who decides with a reason."""

from pathlib import Path

import pytest

from consent_service.demo.client import Caller, JsonObject, ServiceAnswerError
from tests.journeys.conftest import UNDER_WAY, Enrolled, Platform, declaration, hand_in

REASON = "the second person is an actor whose release is on file"


def open_case(moderator: Caller, clip: JsonObject) -> JsonObject:
    cases: list[JsonObject] = moderator.get("/v1/cases")["cases"]
    (case,) = (case for case in cases if case["subject_id"] == clip["clip_id"])
    return case


@pytest.mark.slow
def test_a_face_nobody_knows_is_decided_by_a_moderator(
    platform: Platform, moderator: Caller, she: Enrolled, grant: JsonObject, with_a_stranger: Path
) -> None:
    assert grant["standing"] == "valid"
    clip = hand_in(platform.caller, with_a_stranger, declaration(she.likeness_id))
    assert (clip["state"], clip["reasons"]) == ("needs_review", ["unknown_face"])
    case = open_case(moderator, clip)
    assert case["reasons"] == ["unknown_face"]
    matches = [each["match"] for each in case["evidence"]["scan"]["sightings"]]
    assert sorted(matches) == ["declared", "declared", "unknown"]

    for caller in (platform.caller, she.caller):
        with pytest.raises(ServiceAnswerError) as refused:
            caller.get("/v1/cases")
        assert refused.value.status == 403
    with pytest.raises(ServiceAnswerError) as refused:
        moderator.post(f"/v1/cases/{case['case_id']}/decision", {"ruling": "release", "reason": "ok"})
    assert refused.value.code == "reason_missing"

    decided = moderator.post(f"/v1/cases/{case['case_id']}/decision", {"ruling": "release", "reason": REASON})
    assert (decided["state"], decided["ruling"], decided["reason"]) == ("decided", "release", REASON)
    released = platform.caller.watch(f"/v1/clips/{clip['clip_id']}", "state", UNDER_WAY)
    assert released["state"] == "published", released
    with pytest.raises(ServiceAnswerError) as again:
        moderator.post(f"/v1/cases/{case['case_id']}/decision", {"ruling": "uphold", "reason": REASON})
    assert again.value.code == "case_decided"


def test_an_upheld_case_refuses_the_clip(
    platform: Platform, moderator: Caller, she: Enrolled, grant: JsonObject, with_a_stranger: Path
) -> None:
    assert grant["standing"] == "valid"
    clip = hand_in(platform.caller, with_a_stranger, declaration(she.likeness_id))
    case = open_case(moderator, clip)
    moderator.post(f"/v1/cases/{case['case_id']}/decision", {"ruling": "uphold", "reason": REASON})
    refused = platform.caller.get(f"/v1/clips/{clip['clip_id']}")
    assert (refused["state"], refused["reasons"]) == ("refused", ["upheld_on_review", "unknown_face"])
    decided = moderator.get("/v1/cases?state=decided")["cases"]
    assert case["case_id"] in [each["case_id"] for each in decided]
