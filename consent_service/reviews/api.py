"""Routes of the moderators' queue."""

from typing import Annotated, Literal, Protocol, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from consent_service.accounts.api import require
from consent_service.accounts.domain import Principal
from consent_service.clips.domain import Ruling
from consent_service.kernel.ids import CaseId
from consent_service.reviews.schemas import CaseList, CaseOut, DecisionIn
from consent_service.reviews.service import ReviewService
from consent_service.web.idempotency import Idempotency

router = APIRouter(prefix="/v1/cases", tags=["reviews"])


class _Container(Protocol):
    @property
    def reviews(self) -> ReviewService: ...
    @property
    def idempotency(self) -> Idempotency: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]
Moderator = Annotated[Principal, Depends(require("moderator"))]


@router.get("", summary="Cases that wait, or were decided")
def list_cases(
    services: Services,
    _: Moderator,
    state: Annotated[Literal["open", "decided"], Query(description="Which cases.")] = "open",
) -> CaseList:
    """Return open cases, oldest first, or decided ones, newest first."""
    found = services.reviews.open_cases() if state == "open" else services.reviews.decided_cases()
    return CaseList(cases=[CaseOut.of(case) for case in found])


@router.get("/{case_id}", summary="One case with its evidence")
def get(case_id: str, services: Services, _: Moderator) -> CaseOut:
    """Return what the gate found and, once decided, by whom and why."""
    return CaseOut.of(services.reviews.get(CaseId(case_id)))


@router.post("/{case_id}/decision", response_model=CaseOut, summary="Decide a case")
def decide(
    request: Request, case_id: str, decision: DecisionIn, services: Services, caller: Moderator
) -> Response:
    """Decide with a reason; a released clip goes through the gate again, a released cameo enrols."""

    def act() -> CaseOut:
        ruling = Ruling(decision.ruling)
        return CaseOut.of(services.reviews.decide(CaseId(case_id), ruling, decision.reason, caller.id))

    return services.idempotency.once(request, caller.id, decision, act, 200)
