import base64
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel, select

from consent_service.accounts import webhooks
from consent_service.accounts.addresses import AddressRules, check_url, permitted, resolve
from consent_service.accounts.service import AccountService
from consent_service.accounts.signing import headers, new_secret
from consent_service.accounts.tables import WebhookEndpointRow, WebhookEventRow
from consent_service.accounts.webhooks import RETRIES, WebhookDelivery
from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.kernel.errors import InvalidInputError
from consent_service.vault.keys import LocalMasterKey
from consent_service.vault.service import Vault

TABLES = ("principals", "api_keys", "webhook_endpoints", "webhook_events", "person_keys")
KEYS = LocalMasterKey(bytes(range(32)))
DEVELOPMENT, PRODUCTION = AddressRules(allow_loopback=True), AddressRules()


class SteppedClock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Endpoint:
    """A relying party's server: answers with the statuses it is told, then 204."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.hangs, self.closed = threading.Event(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                while outer.hangs.is_set() and not outer.closed.wait(0.02):
                    with suppress(OSError):
                        self.wfile.write(b"H")
                self.send_response(outer.statuses.pop(0) if outer.statuses else 204)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?tenant=1"

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class World:
    """One relying party with an endpoint, and the delivery that serves it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = SteppedClock()
        self.endpoint = Endpoint()
        self.delivery = WebhookDelivery(engine, KEYS, self.clock, DEVELOPMENT)
        self.accounts = AccountService(Vault(KEYS, self.clock), KEYS, self.clock, DEVELOPMENT)
        with transaction(engine) as session:
            self.party, _, secret = self.accounts.create_relying_party(session, "Acme", self.endpoint.url)
        self.secret = secret or ""

    def enqueue(self, to: str | None = None) -> int:
        with transaction(self.engine) as session:
            return webhooks.enqueue(session, to, "grant.revoked", {"grant_id": "grt_1"}, now=self.clock.now())

    def event(self) -> WebhookEventRow:
        with reading(self.engine) as session:
            return session.exec(select(WebhookEventRow)).one()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = create_database(f"sqlite:///{tmp_path / 'accounts.db'}")
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables[name] for name in TABLES])
    made = World(engine)
    yield made
    made.endpoint.close()
    engine.dispose()


def test_a_notice_arrives_signed(world: World) -> None:
    assert world.enqueue() == 1
    assert world.delivery.deliver_due() == 1
    path, received, body = world.endpoint.requests[0]
    assert path == "/hook?tenant=1"
    assert json.loads(body) == {
        "type": "grant.revoked",
        "timestamp": "2026-01-02T03:04:05.000+00:00",
        "data": {"grant_id": "grt_1"},
    }
    signed = f"{received['webhook-id']}.{received['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(world.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert received["webhook-signature"] == f"v1,{expected}"
    assert world.event().state == "delivered"
    assert world.delivery.deliver_due() == 0


def test_the_signature_is_the_one_the_specification_shows() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    made = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}'
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_notice_is_written_with_its_fact_or_not_at_all(world: World) -> None:
    def fail() -> None:
        with transaction(world.engine) as session:
            webhooks.enqueue(session, None, "grant.revoked", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert world.delivery.deliver_due() == 0


def test_a_notice_to_one_party_goes_to_nobody_else(world: World) -> None:
    with transaction(world.engine) as session:
        other, _, _ = world.accounts.create_relying_party(session, "Other", world.endpoint.url)
    assert world.enqueue(world.party) == 1
    assert world.event().relying_party_id == world.party != other
    assert world.enqueue("rp_unknown") == 0


@pytest.mark.parametrize("status", [500, 404, 301, 302])
def test_a_failed_delivery_is_tried_again_with_the_same_id(world: World, status: int) -> None:
    world.endpoint.statuses = [status]
    world.enqueue()
    world.delivery.deliver_due()
    assert (world.event().state, world.event().last_failure) == ("pending", str(status))
    assert world.delivery.deliver_due() == 0
    world.clock.time += RETRIES[0]
    assert world.delivery.deliver_due() == 1
    assert world.event().state == "delivered"
    first, second = (received["webhook-id"] for _, received, _ in world.endpoint.requests)
    assert first == second


def test_after_the_last_try_a_notice_is_kept_for_the_operator(world: World) -> None:
    world.endpoint.statuses = [500] * (len(RETRIES) + 1)
    world.enqueue()
    for pause in (*RETRIES, timedelta()):
        assert world.delivery.deliver_due() == 1
        world.clock.time += pause
    assert world.event().state == "dead"
    assert world.event().attempts == len(RETRIES) + 1
    assert world.delivery.deliver_due() == 0


def test_an_endpoint_that_answers_byte_by_byte_holds_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "_SECONDS", 0.2)
    world.endpoint.hangs.set()
    world.enqueue()
    world.delivery.deliver_due()
    assert (world.event().state, world.event().last_failure) == ("pending", "TimeoutError")


def test_an_address_that_names_no_host_is_a_failed_attempt(world: World) -> None:
    with transaction(world.engine) as session:
        row = session.exec(select(WebhookEndpointRow)).one()
        row.url = "http://a..b/"
        session.add(row)
    world.enqueue()
    world.delivery.deliver_due()
    assert (world.event().state, world.event().attempts) == ("pending", 1)


def test_an_endpoint_that_is_gone_gets_no_more(world: World) -> None:
    world.endpoint.statuses = [410]
    world.enqueue()
    world.delivery.deliver_due()
    assert world.event().state == "dead"
    assert world.enqueue() == 0


def test_an_unreachable_endpoint_is_tried_later(world: World) -> None:
    world.endpoint.close()
    world.enqueue()
    world.delivery.deliver_due()
    assert world.event().state == "pending"
    assert world.event().last_failure == "ConnectError"
    world.endpoint = Endpoint()


def test_two_deliverers_never_send_the_same_notice_twice(world: World) -> None:
    for _ in range(10):
        world.enqueue()
    threads = [threading.Thread(target=world.delivery.deliver_due) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [received["webhook-id"] for _, received, _ in world.endpoint.requests]
    assert len(ids) == len(set(ids)) == 10


def test_the_secret_rests_wrapped(world: World) -> None:
    with reading(world.engine) as session:
        row = session.exec(select(WebhookEndpointRow)).one()
    assert world.secret.encode() not in row.wrapped_secret
    assert world.secret not in repr(row)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.com/", "webhook_url_invalid"),
        ("https://", "webhook_url_invalid"),
        ("not a url", "webhook_url_invalid"),
        ("https://user:pass@example.com/", "webhook_url_invalid"),
        ("https://example.com/#fragment", "webhook_url_invalid"),
        ("https://example.com:99999/", "webhook_url_invalid"),
        ("https://example.com/" + "a" * 2000, "webhook_url_invalid"),
        ("http://example.com/", "webhook_url_not_allowed"),
        ("https://127.0.0.1/", "webhook_url_not_allowed"),
        ("https://10.1.2.3/", "webhook_url_not_allowed"),
        ("https://169.254.169.254/latest/meta-data", "webhook_url_not_allowed"),
        ("https://[::1]/", "webhook_url_not_allowed"),
        ("https://[::ffff:127.0.0.1]/", "webhook_url_not_allowed"),
        ("https://[fd00::1]/", "webhook_url_not_allowed"),
        ("https://[fec0::1]/", "webhook_url_not_allowed"),
        ("https://[64:ff9b::a9fe:a9fe]/", "webhook_url_not_allowed"),
        ("https://[2002:7f00:1::]/", "webhook_url_not_allowed"),
        ("https://[::7f00:1]/", "webhook_url_not_allowed"),
        ("https://ex\u00e4mple.test/", "webhook_url_invalid"),
        ("https://example.com/\x01", "webhook_url_invalid"),
        ("https://0.0.0.0/", "webhook_url_not_allowed"),
    ],
)
def test_addresses_inside_are_refused_in_production(url: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_url(url, PRODUCTION)
    assert caught.value.code == code


def test_a_public_https_address_is_accepted() -> None:
    assert check_url("https://hooks.example.com/a?b=c", PRODUCTION).hostname == "hooks.example.com"


def test_a_name_that_points_inside_is_refused_when_it_is_used() -> None:
    with pytest.raises(InvalidInputError):
        resolve("https://localhost/", PRODUCTION)
    assert str(resolve("http://localhost:81/", DEVELOPMENT).address) in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("224.0.0.1", False), ("93.184.216.34", True)],
)
def test_development_allows_this_machine_but_not_its_network(address: str, allowed: bool) -> None:
    assert permitted(ip_address(address), DEVELOPMENT) is allowed


def test_secrets_are_all_different() -> None:
    assert len({new_secret() for _ in range(5)}) == 5
