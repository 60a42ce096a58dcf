"""The routes of enrolment, over HTTP on a whole service."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from consent_service.cameos import service
from consent_service.container import Container
from consent_service.kernel.ids import CameoId

Headers = dict[str, str]
LETTER = ("recording.mp4", b"dear service, I am myself\n" * 100, "video/mp4")


@pytest.fixture
def person(callers: Any) -> Headers:
    headers: Headers = callers.person()[1]
    return headers


def challenge(client: TestClient, headers: Headers) -> dict[str, Any]:
    answer = client.post("/v1/challenges", headers=headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def send(client: TestClient, headers: Headers, challenge_id: str, **more: str) -> Any:
    return client.post(
        "/v1/cameos", headers={**headers, **more}, data={"challenge_id": challenge_id}, files={"file": LETTER}
    )


def test_a_recording_is_taken_in_measured_and_shown(
    client: TestClient, container: Container, person: Headers, callers: Any
) -> None:
    asked = challenge(client, person)
    assert len(asked["digits"]) == 6
    assert set(asked["turns"]) == {"left", "right"}

    taken = send(client, person, asked["challenge_id"])
    assert taken.status_code == 202, taken.text
    assert taken.json()["status"] == "processing"

    container.cameos.process(CameoId(taken.json()["cameo_id"]))
    shown = client.get(taken.headers["Location"], headers=person)
    assert shown.json()["status"] == "rejected"
    assert shown.json()["reasons"] == ["not_media"]
    assert client.get(taken.headers["Location"], headers=callers.person()[1]).status_code == 404


def test_a_challenge_is_answered_once_but_a_repeated_request_is_the_same(
    client: TestClient, person: Headers
) -> None:
    asked = challenge(client, person)
    key = {"Idempotency-Key": "once"}
    first = send(client, person, asked["challenge_id"], **key)
    repeated = send(client, person, asked["challenge_id"], **key)
    assert repeated.json() == first.json()
    again = send(client, person, asked["challenge_id"])
    assert (again.status_code, again.json()["code"]) == (409, "challenge_used")


def test_a_challenge_belongs_to_its_person(client: TestClient, person: Headers, callers: Any) -> None:
    asked = challenge(client, person)
    stolen = send(client, callers.person()[1], asked["challenge_id"])
    assert (stolen.status_code, stolen.json()["code"]) == (404, "challenge_unknown")


def test_enrolment_is_for_people(client: TestClient, callers: Any) -> None:
    assert client.post("/v1/challenges").status_code == 401
    assert client.post("/v1/challenges", headers=callers.relying_party()[1]).status_code == 403
    assert client.get("/v1/likeness", headers=callers.moderator()[1]).status_code == 403


def test_without_a_likeness_there_is_nothing_to_show_or_erase(client: TestClient, person: Headers) -> None:
    assert client.get("/v1/likeness", headers=person).json()["code"] == "likeness_unknown"
    assert client.delete("/v1/likeness", headers=person).status_code == 404


def test_nobody_asks_for_challenges_until_one_fits(
    client: TestClient, person: Headers, monkeypatch: pytest.MonkeyPatch, callers: Any
) -> None:
    monkeypatch.setattr(service, "_MOST_CHALLENGES", 2)
    first = challenge(client, person)
    challenge(client, person)
    refused = client.post("/v1/challenges", headers=person)
    assert (refused.status_code, refused.json()["code"]) == (429, "challenges_open")
    challenge(client, callers.person()[1])
    send(client, person, first["challenge_id"])
    challenge(client, person)


def test_nobody_fills_the_queue_with_recordings(
    client: TestClient, container: Container, person: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_PROCESSING", 1)
    first, second = (challenge(client, person)["challenge_id"] for _ in range(2))
    taken = send(client, person, first)
    refused = send(client, person, second)
    assert (refused.status_code, refused.json()["code"]) == (429, "cameos_under_way")
    container.cameos.process(CameoId(taken.json()["cameo_id"]))
    assert send(client, person, second).status_code == 202
