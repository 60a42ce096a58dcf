"""The route of verification, open to everybody: a file in, a verdict out, nothing kept."""

from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, File, Request, UploadFile

from consent_service.settings import Settings
from consent_service.verification.schemas import VerdictOut
from consent_service.verification.service import VerificationService
from consent_service.web.uploads import receive

router = APIRouter(prefix="/v1/verifications", tags=["verification"])


class _Container(Protocol):
    @property
    def verification(self) -> VerificationService: ...
    @property
    def settings(self) -> Settings: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


@router.post("", summary="Verify a file")
def verify(
    services: Annotated[_Container, Depends(_container)],
    file: Annotated[UploadFile, File(description="A video or sound file from anywhere.")],
) -> VerdictOut:
    """Say whether a file is intact, trusted, marked and consented, each answered apart.

    A copy that lost its manifest is traced by the watermark in picture or sound. That a file carries neither
    never means that it is not synthetic. The upload is deleted before the answer is sent.
    """
    with receive(file, services.settings) as received:
        return VerdictOut.of(services.verification.verify(received.path))
