"""A creating request sent twice with one `Idempotency-Key` acts once and is answered the same.

In: the request, who sent it, its content, and the action. Out: the action's answer, or the stored one.

The answer is stored in the transaction in which the action writes (`db.session.transaction` joins), so a
crash leaves both or neither. A claim made beforehand turns a concurrent twin away; if its process dies, the
claim lapses and the request may be sent again: nothing had been committed.
Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from consent_service.db.session import transaction
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import ConflictError, InvalidInputError
from consent_service.vault.envelope import bind
from consent_service.vault.keys import KeyEncryption, open_secret
from consent_service.web import repository
from consent_service.web.tables import IdempotencyRow

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEPT: Final = timedelta(hours=24)
LEASE: Final = timedelta(seconds=60)
_LONGEST_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action says, when it wants its own status or headers (`Location`)."""

    body: BaseModel | Mapping[str, object]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Content = BaseModel | Mapping[str, object] | bytes
Action = Callable[[], BaseModel | Mapping[str, object] | Answer]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A key held for one request."""

    principal_id: str
    key: str
    token: str
    context: bytes


class Idempotency:
    """Runs actions once per principal and key; stored answers are encrypted with the master key."""

    def __init__(self, engine: Engine, keys: KeyEncryption, clock: Clock) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock

    def once(
        self, request: Request, principal_id: str | None, content: Content, action: Action, status: int = 201
    ) -> Response:
        """Run `action`, or answer as it answered before.

        Everything the action writes through `transaction` is committed together with the stored answer.

        Args:
            request: The request; its method, path and `Idempotency-Key` header are read.
            principal_id: Who sent it; None (an anonymous caller) has no keys, so the action simply runs.
            content: What was asked, in a form that is equal when the request is: the body model, or for an
                upload a mapping with the file's SHA-256.
            action: Does the work and returns the answer.
            status: Status of the answer unless the action chooses one.

        Raises:
            InvalidInputError: `idempotency_key_invalid`, or `idempotency_key_reused` for other content.
            ConflictError: `request_in_flight`: the first request with this key has not ended.
        """
        key = request.headers.get(HEADER)
        if key is None or principal_id is None:
            with transaction(self._engine):
                return _render(*_settle(action(), status))
        digest = _request_hash(request, content)
        found = self._claim(principal_id, _checked(key), digest)
        if isinstance(found, Response):
            return found
        with self._released_on_failure(found), transaction(self._engine) as session:
            settled = _settle(action(), status)
            sealed = self._keys.wrap(json.dumps(settled[1:]).encode(), found.context)
            if not repository.complete(session, found.token, settled[0], sealed):
                raise ConflictError("request_in_flight", "another request with this key is being carried out")
        return _render(*settled)

    def prune(self) -> int:
        """Forget answers older than a day; return how many."""
        with transaction(self._engine) as session:
            return repository.forget_before(session, self._clock.now() - KEPT)

    def _claim(self, principal_id: str, key: str, digest: str) -> _Claim | Response:
        claim = _Claim(
            principal_id,
            key,
            secrets.token_hex(16),
            bind(b"idempotency", principal_id.encode(), key.encode()),
        )
        try:
            with transaction(self._engine) as session:
                row = repository.find(session, principal_id, key)
                now = self._clock.now()
                if row is not None and now - row.claimed_at < KEPT:
                    answer = self._answer(row, digest, claim.context)
                    if answer is not None:
                        return answer
                    if now - row.claimed_at < LEASE:
                        raise ConflictError(
                            "request_in_flight", "a request with this key is being carried out"
                        )
                row = row or IdempotencyRow(
                    principal_id=principal_id, key=key, request_hash=digest, claim=claim.token, claimed_at=now
                )
                row.request_hash, row.claim, row.claimed_at = digest, claim.token, now
                row.status, row.sealed_answer = None, None
                session.add(row)
        except IntegrityError:  # a twin inserted the same key between our look and our insert
            raise ConflictError("request_in_flight", "a request with this key is being carried out") from None
        return claim

    def _answer(self, row: IdempotencyRow, digest: str, context: bytes) -> Response | None:
        if row.request_hash != digest:
            raise InvalidInputError("idempotency_key_reused", f"`{HEADER}` was used for another request")
        if row.status is None or row.sealed_answer is None:
            return None
        body, headers = json.loads(open_secret(self._keys, row.sealed_answer, context))
        return _render(row.status, body, {**headers, REPLAYED: "true"})

    @contextmanager
    def _released_on_failure(self, claim: _Claim) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with transaction(self._engine) as session:
                repository.release(session, claim.token)
            raise


def _settle(
    result: BaseModel | Mapping[str, object] | Answer, status: int
) -> tuple[int, str, dict[str, str]]:
    answer = result if isinstance(result, Answer) else Answer(result)
    body = answer.body
    text = body.model_dump_json() if isinstance(body, BaseModel) else json.dumps(body, ensure_ascii=False)
    return answer.status or status, text, dict(answer.headers)


def _render(status: int, body: str, headers: Mapping[str, str]) -> Response:
    return Response(body, status, {**headers, "Cache-Control": "no-store"}, "application/json")


def _request_hash(request: Request, content: Content) -> str:
    match content:
        case BaseModel():
            data = json.dumps(content.model_dump(mode="json"), sort_keys=True).encode()
        case bytes():
            data = content
        case _:
            data = json.dumps(content, sort_keys=True, default=str).encode()
    return sha256(bind(request.method.encode(), request.url.path.encode(), data)).hexdigest()


def _checked(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInputError(
            "idempotency_key_invalid", f"`{HEADER}` has 1 to {_LONGEST_KEY} printable ASCII characters"
        )
    return key
