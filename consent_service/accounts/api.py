"""Who is calling, for every route; and the routes about callers themselves.

In: `Authorization: Bearer csk_...`. Out: a `Principal` of one of the roles a route names, or 401 / 403.
Source: RFC 6750 section 2.1.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from consent_service.accounts.domain import Principal, Role
from consent_service.accounts.schemas import (
    CreatedPerson,
    KeyList,
    KeyOut,
    Me,
    NewKey,
    WebhookIn,
    WebhookSecret,
)
from consent_service.accounts.service import AccountService
from consent_service.db.session import reading, transaction
from consent_service.kernel.errors import ForbiddenError, UnauthenticatedError

router = APIRouter(prefix="/v1", tags=["accounts"])
_bearer = HTTPBearer(auto_error=False, bearerFormat="csk_<id>_<secret>", description="API key of the caller.")


class _Idempotency(Protocol):
    def once(
        self, request: Request, principal_id: str, content: object, action: Callable[[], object], status: int
    ) -> Response: ...


class _Container(Protocol):
    @property
    def accounts(self) -> AccountService: ...
    @property
    def idempotency(self) -> _Idempotency: ...
    @property
    def engine(self) -> Engine: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]


async def api_key(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    """Return the text sent as an API key.

    Raises:
        UnauthenticatedError: None was sent.
    """
    if credentials is None:
        raise UnauthenticatedError("api_key_missing", "send an api key as `Authorization: Bearer ...`")
    return credentials.credentials


def identify(engine: Engine, accounts: AccountService, key: str) -> Principal:
    """Return whose key it is. For routes that look themselves, in the thread they work in anyway.

    Raises:
        UnauthenticatedError: It is no valid API key.
    """
    with reading(engine) as session:
        caller, stale = accounts.authenticate(session, key)
    if stale is not None:
        with transaction(engine) as session:
            accounts.note_use(session, key, stale)
    return caller


def principal(services: Services, key: Annotated[str, Depends(api_key)]) -> Principal:
    """Return the caller.

    Raises:
        UnauthenticatedError: No valid API key came with the request.
    """
    return identify(services.engine, services.accounts, key)


def allow_only(caller: Principal, *roles: Role) -> Principal:
    """Return the caller when they have one of these roles.

    Raises:
        ForbiddenError: They have another.
    """
    if caller.role not in roles:
        raise ForbiddenError(
            "role_not_allowed", "this needs the role " + " or ".join(f"`{r}`" for r in roles)
        )
    return caller


def require(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Return a dependency that gives the caller when they have one of these roles."""

    async def check(caller: Annotated[Principal, Depends(principal)]) -> Principal:
        return allow_only(caller, *roles)

    return check


Anyone = Annotated[Principal, Depends(principal)]


@router.post("/people", status_code=201, response_model=CreatedPerson, summary="Register a person")
def create_person(
    request: Request, services: Services, caller: Annotated[Principal, Depends(require("relying_party"))]
) -> Response:
    """Create a person with a key of their own; the person, not the platform, uses it from then on."""

    def create() -> CreatedPerson:
        with transaction(services.engine) as session:
            person_id, key = services.accounts.create_person(session, created_by=caller.id)
        return CreatedPerson(person_id=person_id, api_key=key)

    return services.idempotency.once(request, caller.id, {}, create, 201)


@router.put("/me/webhook", summary="Say where notices go")
def set_webhook(
    body: WebhookIn, services: Services, caller: Annotated[Principal, Depends(require("relying_party"))]
) -> WebhookSecret:
    """Set the address of your notices and get a fresh signing secret (Standard Webhooks), shown once."""
    with transaction(services.engine) as session:
        return WebhookSecret(webhook_secret=services.accounts.set_webhook(session, caller.id, body.url))


@router.get("/me", summary="The caller")
def me(caller: Anyone) -> Me:
    """Return who the API key belongs to."""
    return Me(id=caller.id, role=caller.role)


@router.get("/me/keys", summary="The caller's API keys")
def keys(services: Services, caller: Anyone) -> KeyList:
    """Return the caller's live keys by id; their secrets are known to nobody but their holders."""
    with reading(services.engine) as session:
        return KeyList(keys=[KeyOut.of(key) for key in services.accounts.keys(session, caller.id)])


@router.post("/me/keys", status_code=201, response_model=NewKey, summary="Make one more API key")
def make_key(request: Request, services: Services, caller: Anyone) -> Response:
    """Return a fresh key. To rotate: make one, put it to use, then end the old one."""

    def make() -> NewKey:
        with transaction(services.engine) as session:
            return NewKey(api_key=services.accounts.issue_key(session, caller.id))

    return services.idempotency.once(request, caller.id, {}, make, 201)


@router.delete("/me/keys/{key_id}", status_code=204, summary="End an API key")
def end_key(key_id: str, services: Services, caller: Anyone) -> None:
    """End one of the caller's keys; the very next request with it is refused."""
    with transaction(services.engine) as session:
        services.accounts.end_key(session, caller.id, key_id)
