"""The home page, and the templates all pages share: plain HTML without scripts, light and dark."""

from pathlib import Path
from typing import Protocol, cast

from fastapi import APIRouter, Request, Response
from fastapi.templating import Jinja2Templates

from consent_service.settings import Settings

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(Path(__file__).parent / "templates")


class _Container(Protocol):
    @property
    def settings(self) -> Settings: ...


@router.get("/")
def home(request: Request) -> Response:
    """Return the home page."""
    settings = cast("_Container", request.app.state.container).settings
    return templates.TemplateResponse(
        request, "home.html", {"environment": settings.environment, "version": request.app.version}
    )
