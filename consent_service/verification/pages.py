"""The page on which anybody verifies a file with a browser: a form, and the verdict in words. No scripts.

In: an upload. Out: HTML; the file is deleted before the answer is sent. Errors are said on the page, with the
status the API would give.
"""

from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, File, Request, Response, UploadFile

from consent_service.kernel.errors import ConsentError, TooLargeError, UnavailableError
from consent_service.settings import Settings
from consent_service.verification.schemas import VerdictOut
from consent_service.verification.service import VerificationService
from consent_service.web.pages import templates
from consent_service.web.uploads import receive
from provenance.errors import MediaError, MediaLimitError

router = APIRouter(include_in_schema=False)


class _Container(Protocol):
    @property
    def verification(self) -> VerificationService: ...
    @property
    def settings(self) -> Settings: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]


@router.get("/verify")
def form(request: Request) -> Response:
    """Return the empty form."""
    return templates.TemplateResponse(request, "verify.html", {})


@router.post("/verify")
def verify(request: Request, services: Services, file: Annotated[UploadFile, File()]) -> Response:
    """Return the form with the verdict below it."""
    try:
        with receive(file, services.settings) as received:
            verdict = VerdictOut.of(services.verification.verify(received.path))
    except (ConsentError, MediaError) as error:
        context = {"problem": f"This file could not be looked at: {error}."}
        return templates.TemplateResponse(request, "verify.html", context, _status(error))
    return templates.TemplateResponse(request, "verify.html", {"verdict": verdict})


def _status(error: Exception) -> int:
    if isinstance(error, UnavailableError):
        return 503
    return 413 if isinstance(error, (TooLargeError, MediaLimitError)) else 422
