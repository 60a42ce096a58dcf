"""Notices to relying parties: written with the fact they tell, delivered at least once, signed.

In: an event type and its data (ids and reasons, never personal data). Out: POST requests in the Standard
Webhooks form. A failed delivery is tried again for three days, then kept as `dead` for the operator.
Source: Standard Webhooks specification; retry schedule from its section "Retries".
"""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final, cast

import httpx
from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.accounts import repository
from consent_service.accounts.addresses import AddressRules, Target, resolve
from consent_service.accounts.service import webhook_context
from consent_service.accounts.signing import headers
from consent_service.accounts.tables import WebhookEndpointRow, WebhookEventRow
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import Clock, SystemClock
from consent_service.kernel.errors import ConsentError
from consent_service.kernel.ids import new_id
from consent_service.vault.keys import KeyEncryption, open_secret

RETRIES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 300, 1800, 7200, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
_LEASE: Final = timedelta(seconds=60)
_BATCH: Final = 16
_AT_ONCE: Final = 8
_SECONDS: Final = 5.0  # for one attempt; a batch is over long before its lease
_GONE: Final = 410


def enqueue(
    session: Session,
    relying_party_id: str | None,
    event_type: str,
    data: Mapping[str, object],
    *,
    now: datetime | None = None,
) -> int:
    """Write a notice in the caller's transaction and return to how many endpoints it will go.

    Args:
        session: The transaction that also records the fact itself.
        relying_party_id: Whom to tell; None tells every relying party with an endpoint.
        event_type: Dotted name, for example `grant.revoked`.
        data: JSON values; ids and reason codes only.
        now: The time of the event; the machine's clock when absent.
    """
    at = now or SystemClock().now()
    body = {"type": event_type, "timestamp": at.isoformat(timespec="milliseconds"), "data": dict(data)}
    encoded = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    endpoints = repository.live_endpoints(session, relying_party_id)
    for endpoint in endpoints:
        session.add(
            WebhookEventRow(
                id=new_id("msg"),
                relying_party_id=endpoint.relying_party_id,
                event_type=event_type,
                body=encoded,
                created_at=at,
                due_at=at,
            )
        )
    session.flush()
    return len(endpoints)


class WebhookDelivery:
    """Sends what is due. Several processes may run it; a claim keeps them apart."""

    def __init__(self, engine: Engine, keys: KeyEncryption, clock: Clock, rules: AddressRules) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._tls = httpx.create_ssl_context(trust_env=False)

    def deliver_due(self) -> int:
        """Send every notice that is due now; return how many attempts were made."""
        now = self._clock.now()
        with reading(self._engine) as session:
            if not repository.anything_due(session, now):
                return 0
        with transaction(self._engine) as session:
            claimed = repository.claim_due(session, now, _LEASE, _BATCH)
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # a slow endpoint must not hold up the others
            list(pool.map(lambda pair: self._deliver(*pair), claimed))
        return len(claimed)

    def backlog(self) -> dict[str, int]:
        """Return how many notices are `pending`, `delivered` and `dead`."""
        with reading(self._engine) as session:
            return repository.count_events(session)

    def _deliver(self, event: WebhookEventRow, endpoint: WebhookEndpointRow) -> None:
        self._settle(event, endpoint, self._attempt(event, endpoint))

    def _attempt(self, event: WebhookEventRow, endpoint: WebhookEndpointRow) -> int | str:
        """Return the HTTP status, or the name of what kept the notice from arriving."""
        try:
            secret = open_secret(
                self._keys, endpoint.wrapped_secret, webhook_context(endpoint.relying_party_id)
            ).decode()
            target = resolve(endpoint.url, self._rules)
            signed = headers(secret, event.id, self._clock.now(), event.body)
            return self._post(target, event.body, signed)
        except ConsentError as error:
            return error.code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return type(error).__name__

    def _post(self, target: Target, body: bytes, signed: Mapping[str, str]) -> int:
        """Post within the time there is, however slowly the other side answers.

        A timeout of the client's own holds for each read, so that an endpoint could go on byte by byte.
        """
        return asyncio.run(asyncio.wait_for(self._send(target, body, signed), _SECONDS))

    async def _send(self, target: Target, body: bytes, signed: Mapping[str, str]) -> int:
        """Connect to the address that was checked, but speak (and verify TLS) to the host."""
        literal = f"[{target.address}]" if target.address.version == 6 else str(target.address)  # noqa: PLR2004  # IPv6
        host = target.host if ":" not in target.host else f"[{target.host}]"
        # No proxy, netrc or certificate override from the environment may redirect a notice.
        async with (
            httpx.AsyncClient(verify=self._tls, follow_redirects=False, trust_env=False) as http,
            http.stream(
                "POST",
                f"{target.scheme}://{literal}:{target.port}{target.path}",
                content=body,
                headers={**signed, "host": f"{host}:{target.port}", "content-type": "application/json"},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code  # the body is never read: it may be endless

    def _settle(self, event: WebhookEventRow, endpoint: WebhookEndpointRow, outcome: int | str) -> None:
        now = self._clock.now()
        with transaction(self._engine) as session:
            stored = cast("WebhookEventRow", session.get(WebhookEventRow, event.id))
            stored.attempts += 1
            if isinstance(outcome, int) and httpx.codes.is_success(outcome):
                stored.state, stored.delivered_at, stored.last_failure = "delivered", now, None
            elif outcome == _GONE or stored.attempts > len(RETRIES):
                stored.state, stored.last_failure = "dead", str(outcome)
            else:
                stored.due_at, stored.last_failure = now + RETRIES[stored.attempts - 1], str(outcome)
            session.add(stored)
            if outcome == _GONE:
                self._retire(session, endpoint.relying_party_id, now)

    @staticmethod
    def _retire(session: Session, relying_party_id: str, now: datetime) -> None:
        """Stop sending to an endpoint that said it is gone (410)."""
        row = session.get(WebhookEndpointRow, relying_party_id)
        if row is not None:
            row.gone_at = now
            session.add(row)
