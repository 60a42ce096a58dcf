"""Routes of enrolment: ask for a challenge, send the recording, watch it; see or erase your likeness."""

from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from sqlalchemy import Engine

from consent_service.accounts.api import require
from consent_service.accounts.domain import Principal
from consent_service.cameos.schemas import CameoOut, ChallengeOut, LikenessOut
from consent_service.cameos.service import CameoService
from consent_service.db.session import reading, transaction
from consent_service.kernel.errors import NotFoundError
from consent_service.kernel.ids import LikenessId, PersonId
from consent_service.settings import Settings
from consent_service.web.idempotency import Answer, Idempotency
from consent_service.web.uploads import receive

router = APIRouter(prefix="/v1", tags=["cameos"])


class _Container(Protocol):
    @property
    def cameos(self) -> CameoService: ...
    @property
    def idempotency(self) -> Idempotency: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def settings(self) -> Settings: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]
Person = Annotated[Principal, Depends(require("person"))]


@router.post("/challenges", status_code=201, response_model=ChallengeOut, summary="Ask for a challenge")
def create_challenge(request: Request, services: Services, caller: Person) -> Response:
    """Return six digits to say and three turns of the head to make, good for one recording."""

    def create() -> ChallengeOut:
        return ChallengeOut.of(services.cameos.set_challenge(PersonId(caller.id)))

    return services.idempotency.once(request, caller.id, {}, create, 201)


@router.post("/cameos", status_code=202, response_model=CameoOut, summary="Send the recording")
def create_cameo(
    request: Request,
    services: Services,
    caller: Person,
    challenge_id: Annotated[str, Form(description="The challenge the recording answers.")],
    file: Annotated[UploadFile, File(description="The recording: picture and sound, at most a minute.")],
) -> Response:
    """Take a recording in and start to look at it; watch it at `Location`.

    The digits, the order of the turns, the depth of the face, one face throughout, and a recording never seen
    before are all needed. The recording is kept sealed until it was measured, and then deleted.
    """
    with receive(file, services.settings) as received:

        def take() -> Answer:
            cameo = services.cameos.submit(PersonId(caller.id), challenge_id, received.path, received.sha256)
            return Answer(CameoOut.of(cameo), headers={"Location": f"/v1/cameos/{cameo.id}"})

        content = {"sha256": received.sha256, "challenge_id": challenge_id}
        return services.idempotency.once(request, caller.id, content, take, 202)


@router.get("/cameos/{cameo_id}", summary="A recording and what became of it")
def get_cameo(cameo_id: str, services: Services, caller: Person) -> CameoOut:
    """Return a cameo of yours; somebody else's is not found."""
    return CameoOut.of(services.cameos.get(cameo_id, PersonId(caller.id)))


@router.get("/likeness", summary="Your likeness")
def get_likeness(services: Services, caller: Person) -> LikenessOut:
    """Return the caller's enrolled likeness."""
    return LikenessOut(likeness_id=_own(services, caller))


@router.delete("/likeness", status_code=204, summary="Erase your likeness")
def erase_likeness(services: Services, caller: Person) -> None:
    """Destroy the key under which your templates are sealed, and the templates; this cannot be undone."""
    with transaction(services.engine) as session:
        services.cameos.erase(session, _own(services, caller))


def _own(services: _Container, caller: Principal) -> LikenessId:
    with reading(services.engine) as session:
        likeness_id = services.cameos.likeness_of(session, PersonId(caller.id))
    if likeness_id is None:
        raise NotFoundError("likeness_unknown", "you have no enrolled likeness")
    return likeness_id
