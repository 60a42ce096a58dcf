"""Who is calling, for every route; and the routes about callers themselves.

In: `Authorization: Bearer csk_...`. Out: a `Principal` of one of the roles a route names, or 401 / 403.
Source: RFC 6750 section 2.1.
"""

from collections.abc import Callable
from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from consent_service.accounts.domain import Principal, Role
from consent_service.accounts.schemas import CreatedPerson, Me, NewKey
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


def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]


def principal(
    services: Services, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """Return the caller.

    Raises:
        UnauthenticatedError: No valid API key came with the request.
    """
    if credentials is None:
        raise UnauthenticatedError("api_key_missing", "send an api key as `Authorization: Bearer ...`")
    with reading(services.engine) as session:
        caller, stale = services.accounts.authenticate(session, credentials.credentials)
    if stale is not None:
        with transaction(services.engine) as session:
            services.accounts.note_use(session, credentials.credentials, stale)
    return caller


def require(*roles: Role) -> Callable[[Principal], Principal]:
    """Return a dependency that gives the caller when they have one of these roles."""

    def check(caller: Annotated[Principal, Depends(principal)]) -> Principal:
        if caller.role not in roles:
            raise ForbiddenError(
                "role_not_allowed", "this needs the role " + " or ".join(f"`{r}`" for r in roles)
            )
        return caller

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


@router.get("/me", summary="The caller")
def me(caller: Anyone) -> Me:
    """Return who the API key belongs to."""
    return Me(id=caller.id, role=caller.role)


@router.post("/me/keys", status_code=201, summary="Replace every API key of the caller")
def rotate(services: Services, caller: Anyone) -> NewKey:
    """End every key of the caller, this one included, and return a fresh one."""
    with transaction(services.engine) as session:
        return NewKey(api_key=services.accounts.rotate_keys(session, caller.id))
