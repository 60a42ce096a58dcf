import errno
import json
from collections.abc import Iterator

import pytest
import structlog
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from pydantic import BaseModel, SecretStr
from sqlalchemy.exc import DataError

from consent_service import problems
from consent_service.kernel import errors
from consent_service.web.metrics import Metrics
from consent_service.web.middleware import Edge
from consent_service.web.problems_schema import Problem
from provenance import errors as provenance


class Order(BaseModel):
    amount: int
    card: SecretStr


RAISED: dict[str, Exception] = {
    "invalid": errors.InvalidInputError("purpose_unknown", "no such purpose"),
    "forbidden": errors.ForbiddenError("role_not_allowed", "not yours"),
    "many": errors.TooManyError("clips_under_way", "wait"),
    "data": DataError("select", {}, ValueError("text fields cannot contain NUL")),
    "conflict": errors.ConflictError("challenge_used", "the challenge was used"),
    "unavailable": errors.UnavailableError("model_missing", "run `consent-service models pull`"),
    "full": errors.StorageFullError("storage_full", "there is no room"),
    "consent": errors.ConsentError("odd", "some detail of the inside"),
    "media": provenance.MalformedMediaError("the file is cut short"),
    "limit": provenance.MediaLimitError("too long"),
    "unsupported": provenance.UnsupportedMediaError("no such codec"),
    "signer": provenance.SignerUnavailableError("the signer does not answer"),
    "timestamp": provenance.TimestampUnavailableError("no answer"),
    "library-full": provenance.StorageFullError("no room"),
    "key": provenance.KeyMaterialError("the key of somebody"),
    "disk": OSError(errno.ENOSPC, "No space left on device"),
    "bug": RuntimeError("the name of a person"),
    "os": PermissionError(errno.EACCES, "denied", "/home/somebody"),
}
EXPECTED = {
    "invalid": (422, "purpose_unknown"),
    "forbidden": (403, "role_not_allowed"),
    "many": (429, "clips_under_way"),
    "data": (422, "value_unusable"),
    "conflict": (409, "challenge_used"),
    "unavailable": (503, "model_missing"),
    "full": (507, "storage_full"),
    "consent": (500, "odd"),
    "media": (422, "media_malformed"),
    "limit": (413, "media_limit_exceeded"),
    "unsupported": (415, "media_unsupported"),
    "signer": (503, "signer_unavailable"),
    "timestamp": (503, "timestamp_unavailable"),
    "library-full": (507, "storage_full"),
    "key": (500, "key_material_unusable"),
    "disk": (507, "storage_full"),
    "bug": (500, "internal_error"),
    "os": (500, "internal_error"),
}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()

    @app.get("/raise/{name}")
    def fail(name: str) -> None:
        raise RAISED[name]

    @app.post("/orders")
    def order(order: Order) -> int:
        return order.amount

    @app.get("/parse")
    def parse() -> None:
        raise HTTPException(400, "There was an error parsing the body") from OSError(errno.ENOSPC, "full")

    problems.install(app)
    app.add_middleware(problems.LastResort)
    app.add_middleware(Edge, metrics=Metrics(), max_upload_bytes=1000, https=True)
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


@pytest.mark.parametrize("name", list(RAISED))
def test_every_error_is_a_problem_document(client: TestClient, name: str) -> None:
    answer = client.get(f"/raise/{name}")
    document = Problem.model_validate(answer.json())
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, document.code) == EXPECTED[name]
    assert document.status == answer.status_code
    assert document.type == f"urn:consent-service:problem:{document.code}"
    assert document.instance == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["bug", "os", "consent", "key"])
def test_an_internal_error_tells_nothing_of_the_inside(client: TestClient, name: str) -> None:
    text = client.get(f"/raise/{name}").text
    for inside in ("somebody", "person", "inside", "Error"):
        assert inside not in text


def test_the_log_of_a_bug_has_its_type_but_not_its_message(client: TestClient) -> None:
    with structlog.testing.capture_logs() as logs:
        client.get("/raise/bug")
    assert [entry["error"] for entry in logs if entry["event"] == "unexpected error"] == ["RuntimeError"]


def test_validation_names_the_fields_but_never_their_values(client: TestClient) -> None:
    answer = client.post("/orders", json={"amount": "4929123412341234", "card": 4929123412341234})
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, "validation_failed")
    assert {field["field"] for field in document["fields"]} == {"body.card"}
    assert "4929" not in answer.text


def test_a_body_that_is_not_json_is_a_problem_too(client: TestClient) -> None:
    answer = client.post("/orders", content=b'{"card": "4929', headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "4929" not in answer.text


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    assert client.get("/nowhere").json()["code"] == "not_found"
    answer = client.delete("/orders")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_disk_that_fills_while_a_form_is_read_is_called_so(client: TestClient) -> None:
    assert client.get("/parse").status_code == 507


def test_hints_for_clients(client: TestClient) -> None:
    assert client.get("/raise/unavailable").headers["retry-after"] == "5"
    assert "strict-transport-security" in client.get("/raise/conflict").headers


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/orders", content=b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


def test_a_body_that_grows_past_the_limit_is_cut_off(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    answer = client.post("/orders", content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert answer.json()["instance"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-12345", True), ("short", False), ("a b\tc d e f g h", False)]
)
def test_a_request_id_is_kept_when_it_is_harmless(client: TestClient, given: str, kept: bool) -> None:
    answer = client.get("/nowhere", headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is kept


def test_every_class_of_error_has_a_status() -> None:
    for kind in (*subclasses(errors.ConsentError), *subclasses(provenance.ProvenanceError)):
        made = kind("code", "detail") if issubclass(kind, errors.ConsentError) else kind("detail")
        assert 400 <= problems.status_of(made) < 600
    json.dumps([status for _, status in problems.STATUS_OF])


def subclasses(kind: type[Exception]) -> list[type[Exception]]:
    found = [kind]
    for below in kind.__subclasses__():
        found += subclasses(below)
    return found
