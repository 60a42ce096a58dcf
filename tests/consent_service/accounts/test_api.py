from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from consent_service.accounts.domain import parse_key
from consent_service.accounts.tables import ApiKeyRow
from consent_service.container import Container
from consent_service.db.session import reading, transaction


def test_a_caller_learns_who_they_are(client: TestClient, callers: Any) -> None:
    for make, role in ((callers.person, "person"), (callers.relying_party, "relying_party")):
        identifier, headers = make()
        answer = client.get("/v1/me", headers=headers)
        assert answer.json() == {"id": identifier, "role": role}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic csk_x"},
        {"Authorization": "Bearer csk_" + "a" * 26 + "_" + "A" * 43},
        {"Authorization": "Bearer csk_' OR 1=1 --"},
        {"Authorization": "Bearer " + "x" * 5000},
    ],
)
def test_without_a_valid_key_nobody_is_anybody(client: TestClient, header: dict[str, str]) -> None:
    answer = client.get("/v1/me", headers=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] in {"api_key_missing", "api_key_invalid"}


def test_a_key_with_another_secret_is_refused(client: TestClient, callers: Any) -> None:
    _, mine = callers.person()
    _, yours = callers.person()
    forged = mine["Authorization"][:-43] + yours["Authorization"][-43:]
    assert client.get("/v1/me", headers={"Authorization": forged}).status_code == 401


def test_a_relying_party_registers_a_person_who_then_owns_the_key(client: TestClient, callers: Any) -> None:
    _, party = callers.relying_party()
    made = client.post("/v1/people", headers=party)
    assert made.status_code == 201
    person = {"Authorization": f"Bearer {made.json()['api_key']}"}
    assert client.get("/v1/me", headers=person).json() == {"id": made.json()["person_id"], "role": "person"}


def test_only_relying_parties_register_people(client: TestClient, callers: Any) -> None:
    for make in (callers.person, callers.moderator):
        answer = client.post("/v1/people", headers=make()[1])
        assert answer.status_code == 403
        assert answer.json()["code"] == "role_not_allowed"


def test_registering_twice_with_one_key_makes_one_person(client: TestClient, callers: Any) -> None:
    _, party = callers.relying_party()
    headers = {**party, "Idempotency-Key": "signup-1"}
    first, second = (client.post("/v1/people", headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_keys_rotate_without_a_gap(client: TestClient, callers: Any) -> None:
    _, old = callers.person()
    new = {"Authorization": f"Bearer {client.post('/v1/me/keys', headers=old).json()['api_key']}"}
    keys = client.get("/v1/me/keys", headers=new).json()["keys"]
    assert len(keys) == 2
    assert client.delete(f"/v1/me/keys/{keys[0]['key_id']}", headers=new).status_code == 204
    assert client.get("/v1/me", headers=old).status_code == 401
    assert client.get("/v1/me", headers=new).status_code == 200


def test_nobody_ends_somebody_elses_key(client: TestClient, callers: Any) -> None:
    _, mine = callers.person()
    _, yours = callers.person()
    target = client.get("/v1/me/keys", headers=yours).json()["keys"][0]["key_id"]
    assert client.delete(f"/v1/me/keys/{target}", headers=mine).status_code == 404
    assert client.get("/v1/me", headers=yours).status_code == 200


def test_a_disabled_principal_is_shut_out_at_once(
    client: TestClient, container: Container, callers: Any
) -> None:
    identifier, headers = callers.relying_party()
    assert client.get("/v1/me", headers=headers).status_code == 200
    with transaction(container.engine) as session:
        container.accounts.disable(session, identifier)
    assert client.get("/v1/me", headers=headers).status_code == 401


def test_last_use_is_noted_and_no_secret_is_stored(
    client: TestClient, container: Container, callers: Any
) -> None:
    _, headers = callers.person()
    client.get("/v1/me", headers=headers)
    key = parse_key(headers["Authorization"].removeprefix("Bearer "))
    assert key is not None
    with reading(container.engine) as session:
        row = session.exec(select(ApiKeyRow).where(ApiKeyRow.id == key.id)).one()
    assert row.last_used_at is not None
    assert row.digest == key.digest()
    assert key.secret not in repr(row) + repr(key)
    data = b"".join(path.read_bytes() for path in container.settings.data_dir.glob("consent.db*"))
    assert key.secret.encode() not in data


def test_a_relying_party_says_where_notices_go(client: TestClient, callers: Any) -> None:
    _, party = callers.relying_party()
    first, second = (
        client.put("/v1/me/webhook", headers=party, json={"url": "http://127.0.0.1:9/"}).json()
        for _ in range(2)
    )
    assert first["webhook_secret"].startswith("whsec_")
    assert first != second
    refused = client.put("/v1/me/webhook", headers=party, json={"url": "http://10.0.0.1/"})
    assert (refused.status_code, refused.json()["code"]) == (422, "webhook_url_not_allowed")
    _, person = callers.person()
    assert (
        client.put("/v1/me/webhook", headers=person, json={"url": "http://127.0.0.1:9/"}).status_code == 403
    )
