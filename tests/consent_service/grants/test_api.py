"""Consent over HTTP: who may ask what, and what strangers learn."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from consent_service import problems
from consent_service.accounts.api import router as accounts_router
from consent_service.grants.api import router as grants_router
from consent_service.grants.grant_token import verify_grant
from consent_service.grants.keys import public_keys
from consent_service.grants.status_token import read_list
from consent_service.kernel.ids import new_id
from consent_service.vault.keys import LocalMasterKey
from consent_service.web.idempotency import Idempotency


@pytest.fixture
def client(world: Any, tmp_path: Any) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(accounts_router)
    app.include_router(grants_router)
    problems.install(app)
    master = LocalMasterKey.load(tmp_path / "keys")
    app.state.container = SimpleNamespace(
        engine=world.engine,
        clock=world.clock,
        grants=world.grants,
        accounts=world.accounts,
        idempotency=Idempotency(world.engine, master, world.clock),
    )
    with TestClient(app) as client:
        yield client


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **more}


def wire_terms(world: Any, **changes: Any) -> dict[str, Any]:
    return {
        "likeness_id": world.ada_likeness,
        "relying_party_id": world.studio,
        "requesters": ["*"],
        "uses": ["face", "voice"],
        "purposes": ["entertainment"],
        "regions": ["001"],
        "description": "Short comic scenes among friends.",
        "not_after": "2027-11-01T00:00:00.250+01:00",
    } | changes


def wire_question(world: Any, **changes: Any) -> dict[str, Any]:
    return {
        "likeness_id": world.ada_likeness,
        "requester_id": "user-1",
        "uses": ["face"],
        "purpose": "entertainment",
    } | changes


def give(client: TestClient, world: Any, **changes: Any) -> Any:
    answer = client.post("/v1/grants", json=wire_terms(world, **changes), headers=bearer(world.ada_key))
    assert answer.status_code == 201, answer.text
    return answer.json()


def ask(client: TestClient, world: Any, **changes: Any) -> Any:
    answer = client.post("/v1/checks", json=wire_question(world, **changes), headers=bearer(world.studio_key))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_from_consent_to_withdrawal(client: TestClient, world: Any) -> None:
    assert ask(client, world)["reasons"] == ["no_grant"]
    grant = give(client, world)
    assert grant["not_after"] == "2027-10-31T23:00:00Z"
    allowed = ask(client, world)
    assert (allowed["decision"], allowed["grant_id"]) == ("allow", grant["grant_id"])
    assert allowed["valid_until"] == grant["not_after"]
    path = f"/v1/grants/{grant['grant_id']}"
    status_path = grant["status_url"].removeprefix("https://consent.example")
    assert client.get(status_path).json()["standing"] == "valid"
    for _ in range(2):
        revoked = client.post(f"{path}/revoke", headers=bearer(world.ada_key))
        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert ask(client, world)["reasons"] == ["grant_revoked"]
    assert client.get(status_path).json()["standing"] == "revoked"


def test_a_stranger_can_verify_a_grant_with_what_is_published(client: TestClient, world: Any) -> None:
    token = give(client, world)["token"]
    keys = public_keys(client.get("/.well-known/jwks.json").json())
    now = world.clock.now()
    verdict = verify_grant(token, keys=keys, issuer="https://consent.example", audience=world.studio, now=now)
    assert verdict.valid
    assert verdict.claims is not None
    answer = client.get(verdict.claims.status_uri.removeprefix("https://consent.example"))
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    listed = read_list(answer.text, uri=verdict.claims.status_uri, keys=keys, now=now)
    assert listed.at(verdict.claims.status_index) == 0


def test_the_status_of_an_unknown_grant_is_unknown(client: TestClient) -> None:
    answer = client.get(f"/v1/grants/{new_id('grt')}/status")
    assert (answer.status_code, answer.json()["standing"]) == (200, "unknown")
    assert set(answer.json()) == {"standing", "as_of"}


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("post", "/v1/grants", "studio"),
        ("post", "/v1/grants/{id}/revoke", "studio"),
        ("get", "/v1/grants/{id}/record", "studio"),
        ("post", "/v1/checks", "ada"),
    ],
)
def test_each_route_is_for_its_role(
    client: TestClient, world: Any, method: str, path: str, role: str
) -> None:
    grant = give(client, world)
    body = wire_question(world) if "checks" in path else wire_terms(world)
    arguments: dict[str, Any] = {"json": body} if path in ("/v1/grants", "/v1/checks") else {}
    path = path.format(id=grant["grant_id"])
    key = {"studio": world.studio_key, "ada": world.ada_key}[role]
    assert client.request(method, path, headers=bearer(key), **arguments).status_code == 403
    assert client.request(method, path, **arguments).status_code == 401


def test_a_check_is_refused_to_whoever_has_no_valid_key(client: TestClient, world: Any) -> None:
    other = f"{world.studio_key[:-1]}{'A' if world.studio_key[-1] != 'A' else 'B'}"
    answer = client.post("/v1/checks", json=wire_question(world), headers=bearer(other))
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")
    answer = client.post("/v1/checks", json={"not": "a question"})
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_missing")


def test_another_persons_grant_cannot_be_seen_or_withdrawn(client: TestClient, world: Any) -> None:
    grant_id = give(client, world)["grant_id"]
    for path, method in ((f"/v1/grants/{grant_id}", "get"), (f"/v1/grants/{grant_id}/revoke", "post")):
        foreign = client.request(method, path, headers=bearer(world.bob_key))
        unknown = client.request(method, path.replace(grant_id, new_id("grt")), headers=bearer(world.bob_key))
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json()["code"] == unknown.json()["code"] == "grant_unknown"
    assert client.get(f"/v1/grants/{grant_id}/record", headers=bearer(world.bob_key)).status_code == 404
    assert client.get(f"/v1/grants/{grant_id}", headers=bearer(world.rival_key)).status_code == 404
    assert client.get(f"/v1/grants/{grant_id}", headers=bearer(world.studio_key)).status_code == 200
    assert client.get("/v1/grants", headers=bearer(world.bob_key)).json()["grants"] == []
    theirs = client.post("/v1/grants", json=wire_terms(world), headers=bearer(world.bob_key))
    assert (theirs.status_code, theirs.json()["code"]) == (404, "likeness_unknown")


def test_unknown_and_not_granted_look_alike(client: TestClient, world: Any) -> None:
    answers = [
        ask(client, world, likeness_id=likeness)
        for likeness in (world.ada_likeness, world.bob_likeness, new_id("lik"), "anything")
    ]
    assert answers[0]["reasons"] == ["no_grant"]
    assert all(answer == answers[0] for answer in answers)


def test_consent_sent_twice_is_given_once(client: TestClient, world: Any) -> None:
    headers = bearer(world.ada_key, **{"Idempotency-Key": "one"})
    first, second = (
        client.post("/v1/grants", json=wire_terms(world), headers=headers).json() for _ in range(2)
    )
    assert first == second
    other = client.post("/v1/grants", json=wire_terms(world, commercial=True), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(client.get("/v1/grants", headers=bearer(world.ada_key)).json()["grants"]) == 1


def test_grants_come_in_pages(client: TestClient, world: Any) -> None:
    issued = sorted(give(client, world)["grant_id"] for _ in range(5))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        answer = client.get(
            "/v1/grants", params={"after": after, "limit": 2}, headers=bearer(world.studio_key)
        )
        seen += [grant["grant_id"] for grant in answer.json()["grants"]]
        after = answer.json()["next_after"]
    assert seen == issued


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"uses": []}, "validation_failed"),
        ({"uses": ["body"]}, "validation_failed"),
        ({"not_after": "2027-11-01T00:00:00"}, "validation_failed"),
        ({"surprise": 1}, "validation_failed"),
        ({"purposes": ["sexual"]}, "purpose_protected"),
        ({"purposes": []}, "terms_invalid"),
        ({"regions": ["Mars"]}, "terms_invalid"),
        ({"description": "short"}, "description_too_short"),
        ({"not_after": "2046-11-01T00:00:00Z"}, "duration_too_long"),
        ({"not_after": "2020-11-01T00:00:00Z"}, "terms_invalid"),
        ({"not_after": "9999-12-31T23:59:59-23:59"}, "duration_too_long"),
        ({"not_before": "0001-01-01T00:00:00+23:59"}, "duration_too_long"),
        ({"not_before": "2026-11-22T11:59:59Z"}, "grant_backdated"),
        ({"relying_party_id": new_id("rp")}, "relying_party_unknown"),
    ],
)
def test_bad_terms_are_refused_with_a_code(
    client: TestClient, world: Any, changes: dict[str, Any], code: str
) -> None:
    answer = client.post("/v1/grants", json=wire_terms(world, **changes), headers=bearer(world.ada_key))
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "changes", [{"purpose": "Not A Word"}, {"region": "xx"}, {"requester_id": "*"}, {"uses": []}]
)
def test_bad_questions_are_refused(client: TestClient, world: Any, changes: dict[str, Any]) -> None:
    body = wire_question(world, **changes)
    answer = client.post("/v1/checks", json=body, headers=bearer(world.studio_key))
    assert answer.status_code == 422
    assert answer.json()["code"] in {"check_invalid", "validation_failed"}


def test_a_list_nobody_published_is_not_found(client: TestClient) -> None:
    assert client.get("/v1/status-lists/7").status_code == 404
