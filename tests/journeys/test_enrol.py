"""Journey 1: a challenge, a recording that answers it, a likeness."""

import pytest

from consent_service.demo.client import Caller, JsonObject, ServiceAnswerError
from tests.journeys.conftest import Enrolled, Platform, Service


def test_a_recording_that_answers_its_challenge_enrols_her(she: Enrolled) -> None:
    assert she.cameo["reasons"] == []
    assert she.cameo["evidence"]
    assert she.caller.get("/v1/likeness") == {"likeness_id": she.likeness_id}


def test_the_log_holds_the_enrolment_without_naming_anybody(
    service: Service, she: Enrolled, stranger: Caller
) -> None:
    size = int(stranger.fetch("/v1/log/checkpoint").decode().splitlines()[1])
    entries: list[JsonObject] = [stranger.get(f"/v1/log/entries/{index}") for index in range(size)]
    accepted = [entry for entry in entries if entry["kind"] == "cameo.accepted"]
    assert accepted
    assert she.likeness_id not in str(accepted)
    service.wait_until_tidy(she.cameo["cameo_id"])


def test_a_cameo_is_its_persons_own(service: Service, platform: Platform, she: Enrolled) -> None:
    somebody = service.caller(platform.caller.post("/v1/people")["api_key"])
    with pytest.raises(ServiceAnswerError) as refused:
        somebody.get(f"/v1/cameos/{she.cameo['cameo_id']}")
    assert refused.value.status == 404
    with pytest.raises(ServiceAnswerError) as refused:
        platform.caller.get(f"/v1/cameos/{she.cameo['cameo_id']}")
    assert refused.value.status == 403
