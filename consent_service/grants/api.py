"""JSON routes of consent: grants for persons, checks for relying parties, status for everybody.

In: HTTP. Out: `schemas`. The status list and the keys are what offline verifiers fetch.
Source: draft-ietf-oauth-status-list section 8.1 (media type); RFC 7517 section 8.5.1 (JWK Set).
"""

from collections.abc import Callable
from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Engine

from consent_service.accounts.api import allow_only, api_key, identify, require
from consent_service.accounts.domain import Principal
from consent_service.accounts.service import AccountService
from consent_service.db.session import reading
from consent_service.grants import translate
from consent_service.grants.schemas import (
    CheckAnswer,
    CheckQuestion,
    GrantPage,
    GrantStatus,
    GrantView,
    NewGrant,
)
from consent_service.grants.service import GrantService
from consent_service.kernel.clock import Clock
from consent_service.kernel.ids import LikenessId, PersonId, RelyingPartyId

router = APIRouter(tags=["grants"])
STATUS_LIST_MEDIA_TYPE = "application/statuslist+jwt"


class _Idempotency(Protocol):
    def once(
        self,
        request: Request,
        principal_id: str | None,
        content: BaseModel,
        action: Callable[[], BaseModel],
        status: int = 201,
    ) -> Response: ...


class _Container(Protocol):
    @property
    def accounts(self) -> AccountService: ...
    @property
    def grants(self) -> GrantService: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def idempotency(self) -> _Idempotency: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]
Person = Annotated[Principal, Depends(require("person"))]
Party = Annotated[Principal, Depends(require("person", "relying_party"))]
GrantPath = Annotated[str, Path(max_length=64)]


@router.post("/v1/checks", response_model=CheckAnswer, summary="May this be generated?", tags=["checks"])
def check(body: CheckQuestion, services: Services, key: Annotated[str, Depends(api_key)]) -> Response:
    """Ask before every use. Only `allow` permits; unknown and not granted are answered alike."""
    # Looks who asks, decides and writes the answer in one thread: each hop to another costs as much again.
    caller = allow_only(identify(services.engine, services.accounts, key), "relying_party")
    decision = services.grants.check(translate.request_of(body, RelyingPartyId(caller.id)))
    return Response(translate.answer_of(decision).model_dump_json(), media_type="application/json")


@router.post("/v1/grants", status_code=201, response_model=GrantView, summary="Give consent")
def issue(request: Request, body: NewGrant, services: Services, caller: Person) -> Response:
    """Grant a relying party the use of your enrolled likeness, in the scope you choose."""

    def act() -> GrantView:
        terms = translate.terms_of(body, services.clock.now())
        grant = services.grants.issue(PersonId(caller.id), LikenessId(body.likeness_id), terms)
        return translate.view_of(grant, services.grants)

    return services.idempotency.once(request, caller.id, body, act)


@router.get("/v1/grants", summary="List grants")
def page(
    services: Services,
    caller: Party,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> GrantPage:
    """List the grants you gave, or, for a relying party, those it holds."""
    grants = services.grants.page(caller.id, after=after, limit=limit)
    following = grants[-1].id if len(grants) == limit else None
    views = [translate.view_of(grant, services.grants) for grant in grants]
    return GrantPage(grants=views, next_after=following)


@router.get("/v1/grants/{grant_id}", summary="Look at a grant")
def get(grant_id: GrantPath, services: Services, caller: Party) -> GrantView:
    """Return a grant to one of its two parties."""
    return translate.view_of(services.grants.get(caller.id, grant_id), services.grants)


@router.get("/v1/grants/{grant_id}/record", summary="Download the consent record")
def record(grant_id: GrantPath, services: Services, caller: Person) -> Response:
    """Return the consent record, word for word; its SHA-256 is the `receipt_sha256` of the grant."""
    return Response(services.grants.record(caller.id, grant_id), media_type="application/json")


@router.post("/v1/grants/{grant_id}/revoke", summary="Withdraw consent")
def revoke(grant_id: GrantPath, services: Services, caller: Person) -> GrantView:
    """Withdraw a consent: denied from this moment on. Doing it again changes nothing."""
    return translate.view_of(services.grants.revoke(caller.id, grant_id), services.grants)


@router.get("/v1/grants/{grant_id}/status", summary="What a grant is worth now")
def status(grant_id: GrantPath, services: Services) -> GrantStatus:
    """Tell anybody who has a grant's identifier, from a clip for example, whether it still stands."""
    with reading(services.engine) as session:
        standing = services.grants.standing(session, [grant_id])[grant_id]
    return GrantStatus(standing=standing.value, as_of=services.clock.now())


@router.get("/v1/status-lists/{shard}", summary="Token Status List", response_class=Response)
def status_list(shard: Annotated[int, Path(ge=0, lt=2**31)], services: Services) -> Response:
    """Return the signed list of withdrawn grants; it lives a minute and shows every commit at once."""
    token = services.grants.status_lists.publish(shard)
    return Response(token, media_type=STATUS_LIST_MEDIA_TYPE, headers={"Cache-Control": "max-age=1"})


@router.get("/.well-known/jwks.json", summary="Public keys")
def jwks(services: Services) -> dict[str, object]:
    """Return the keys that sign grants and status lists, the next one included."""
    return dict(services.grants.jwks)
