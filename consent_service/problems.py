"""The one map from errors to RFC 9457 problem documents.

In: any exception that leaves a route. Out: `application/problem+json` with a stable `code`, and the request
id as `instance`. An unexpected error says nothing of itself; validation errors name fields but never echo
values.
Source: RFC 9457; RFC 9110 section 15 (status codes).
"""

import errno
from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_service.kernel import errors
from consent_service.web.problems_schema import MEDIA_TYPE, FieldProblem, Problem
from consent_service.web.uploads import NO_SPACE
from provenance import errors as provenance

_log = structlog.get_logger("problems")
TYPE_PREFIX: Final = "urn:consent-service:problem:"

STATUS_OF: Final[tuple[tuple[type[Exception], int], ...]] = (
    (errors.InvalidInputError, 422),
    (errors.UnauthenticatedError, 401),
    (errors.ForbiddenError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.TooManyError, 429),
    (errors.TooLargeError, 413),
    (errors.UnsupportedMediaError, 415),
    (errors.UnavailableError, 503),
    (errors.StorageFullError, 507),
    (errors.ConsentError, 500),
    (provenance.MediaLimitError, 413),
    (provenance.UnsupportedMediaError, 415),
    (provenance.NotMediaError, 415),
    (provenance.MediaError, 422),
    (provenance.SandboxUnavailableError, 503),
    (provenance.SignerUnavailableError, 503),
    (provenance.TimestampUnavailableError, 503),
    (provenance.StorageFullError, 507),
    (provenance.ProvenanceError, 500),
)
"""First match wins, so a class stands before its bases."""

_TITLES: Final[Mapping[int, str]] = {
    400: "the request cannot be read",
    404: errors.NotFoundError.title,
    405: "method not allowed",
    413: errors.TooLargeError.title,
    415: errors.UnsupportedMediaError.title,
    422: errors.InvalidInputError.title,
    500: "internal error",
    503: errors.UnavailableError.title,
    507: errors.StorageFullError.title,
}
_CODES: Final[Mapping[int, str]] = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}
_RETRY_AFTER: Final = {
    503: {"Retry-After": "5"},
    429: {"Retry-After": "60"},
    401: {"WWW-Authenticate": "Bearer"},
}
_UNEXPECTED: Final = 500


def install(app: FastAPI) -> None:
    """Make every error of this application a problem document."""
    for kind in (errors.ConsentError, provenance.ProvenanceError):
        app.add_exception_handler(kind, _on_known)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(OSError, _on_os)
    app.add_exception_handler(DataError, _on_data)


class LastResort:
    """Answers what no handler knew, inside the edge, so that the answer has its id and headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; an unexpected error becomes a problem document, or cuts an answer that has begun."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            answer = await _on_unexpected(Request(scope), error)
            await answer(scope, receive, send)


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), _UNEXPECTED)


async def _on_known(request: Request, error: Exception) -> Response:
    status = status_of(error)
    if isinstance(error, errors.ConsentError):
        code, detail, title = error.code, error.detail, error.title
    else:
        code, detail = str(getattr(error, "code", "provenance_error")), str(error) or "it could not be done"
        title = _TITLES.get(status, "it could not be done")
    if status == _UNEXPECTED:
        _log.error("could not be done", code=code, error=type(error).__name__)
        detail = "something is wrong on our side; it has been recorded"
    return problem(request, status, code, detail, title=title)


async def _on_validation(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [
        FieldProblem(field=".".join(str(part) for part in item["loc"]), problem=str(item["msg"]))
        for item in found
    ]
    detail = "the request does not have the expected shape; see `fields`"
    return problem(request, 422, "validation_failed", detail, fields=fields)


async def _on_http(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_SPACE:
        return await _on_os(request, error.__cause__)
    status = error.status_code if isinstance(error, HTTPException) else _UNEXPECTED
    headers = error.headers if isinstance(error, HTTPException) else None
    title = _TITLES.get(status, "the request could not be carried out")
    code = _CODES.get(status, f"http_{status}")
    return problem(request, status, code, title, headers=headers)


async def _on_os(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        _log.error("storage full", error=errno.errorcode.get(error.errno, "OSError"))
        return problem(request, 507, "storage_full", "there was no room to write; nothing partial was kept")
    return await _on_unexpected(request, error)


async def _on_data(request: Request, _error: Exception) -> Response:
    """Answer what a database cannot hold, such as a NUL character for PostgreSQL."""
    return problem(request, 422, "value_unusable", "the request holds a value that cannot be stored")


async def _on_unexpected(request: Request, error: Exception) -> Response:
    _log.error("unexpected error", error=type(error).__name__, exc_info=error)
    detail = "something is wrong on our side; it has been recorded"
    return problem(request, _UNEXPECTED, "internal_error", detail)


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    fields: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return one problem document."""
    document = Problem(
        type=TYPE_PREFIX + code,
        title=title or _TITLES.get(status, "the request could not be carried out"),
        status=status,
        detail=detail,
        code=code,
        instance=str(getattr(request.state, "request_id", "")),
        fields=fields,
    )
    return Response(
        document.model_dump_json(exclude_none=True),
        status,
        {**_RETRY_AFTER.get(status, {}), **(headers or {}), "Cache-Control": "no-store"},
        MEDIA_TYPE,
    )
