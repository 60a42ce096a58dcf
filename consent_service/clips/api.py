"""Routes of clips: hand one in, watch it, fetch the published file. For relying parties, each its own.

Source: RFC 9110 section 14 (one byte range), RFC 6266 (Content-Disposition).
"""

import re
from typing import Annotated, Final, Protocol, cast

from fastapi import APIRouter, Depends, File, Form, Header, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from consent_service.accounts.api import require
from consent_service.accounts.domain import Principal
from consent_service.clips.domain import Declaration
from consent_service.clips.schemas import DECLARATION_EXAMPLE, ClipOut, DeclarationIn
from consent_service.clips.service import ClipService
from consent_service.kernel.errors import InvalidInputError
from consent_service.kernel.ids import ClipId, RelyingPartyId
from consent_service.settings import Settings
from consent_service.web.idempotency import Answer, Idempotency
from consent_service.web.uploads import receive

router = APIRouter(prefix="/v1/clips", tags=["clips"])
_RANGE: Final = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?")


class _Container(Protocol):
    @property
    def clips(self) -> ClipService: ...
    @property
    def idempotency(self) -> Idempotency: ...
    @property
    def settings(self) -> Settings: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]
RelyingParty = Annotated[Principal, Depends(require("relying_party"))]


@router.post("", status_code=202, response_model=ClipOut, summary="Hand in a generated clip")
def submit(
    request: Request,
    services: Services,
    caller: RelyingParty,
    file: Annotated[
        UploadFile, File(description="The clip: MP4, MOV, WebM or Matroska with H.264 or alike.")
    ],
    declaration: Annotated[
        str,
        Form(
            description="JSON: whom it shows, for whom and what it was made.", examples=[DECLARATION_EXAMPLE]
        ),
    ],
) -> Response:
    """Take a clip in and start its way to publication; watch it at `Location`.

    Every declared likeness is checked against its grants, the clip is scanned for likenesses that were not
    declared, picture and sound are marked with one identifier, the file is signed and read back. A clip whose
    marks or consent cannot be shown is refused, or held for a moderator, with reason codes.
    """
    declared = _declaration(declaration)
    with receive(file, services.settings) as received:

        def take() -> Answer:
            clip = services.clips.submit(RelyingPartyId(caller.id), received.path, declared)
            return Answer(ClipOut.of(clip), headers={"Location": f"/v1/clips/{clip.clip_id}"})

        content = {"sha256": received.sha256, "declaration": declaration}
        return services.idempotency.once(request, caller.id, content, take, 202)


@router.get("/{clip_id}", summary="A clip and how far it has come")
def get(clip_id: str, services: Services, caller: RelyingParty) -> ClipOut:
    """Return a clip of yours; somebody else's is not found."""
    return ClipOut.of(services.clips.get(ClipId(clip_id), RelyingPartyId(caller.id)))


@router.get(
    "/{clip_id}/file",
    summary="The published file",
    response_class=StreamingResponse,
    responses={200: {"content": {"video/mp4": {}}}, 206: {"content": {"video/mp4": {}}}},
)
def get_file(
    clip_id: str,
    services: Services,
    caller: RelyingParty,
    wanted: Annotated[str | None, Header(alias="Range", description="One byte range.")] = None,
) -> Response:
    """Return the marked and signed file, once it is published; the bytes never change afterwards."""
    published = services.clips.published_file(ClipId(clip_id), RelyingPartyId(caller.id))
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{published.sha256}"',
        "Content-Disposition": f'attachment; filename="{clip_id}.mp4"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    start, end = _span(wanted, published.size)
    if start >= end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{published.size}"})
    headers["Content-Length"] = str(end - start)
    if end - start < published.size:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{published.size}"
    status = 206 if "Content-Range" in headers else 200
    chunks = services.clips.read(published, start, end)
    return StreamingResponse(chunks, status, headers, media_type="video/mp4")


def _declaration(text: str) -> Declaration:
    try:
        return DeclarationIn.model_validate_json(text).to_domain()
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in each["loc"]) or "it" for each in error.errors()})
        named = ", ".join(f"`{place}`" for place in places[:5])
        raise InvalidInputError("declaration_invalid", f"the declaration is not valid at {named}") from None


def _span(wanted: str | None, size: int) -> tuple[int, int]:
    """Return first byte and end of the range asked for; the whole file for a header of any other form."""
    found = _RANGE.fullmatch(wanted or "")
    if found is None or found[1] is found[2] is None:
        return 0, size
    if found[1] is None:
        return max(0, size - int(found[2])), size
    return int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
