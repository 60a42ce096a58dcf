"""What wraps every request: an id, a size limit, security headers, one log line, one count.

Pure ASGI, so that streams pass through untouched. The log line has method, route template, status and time;
never the path as sent, the query or an address.
Source: OWASP Secure Headers Project; RFC 9110 section 15.5.14 (413).
"""

import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_service.web.metrics import Metrics
from consent_service.web.problems_schema import MEDIA_TYPE

REQUEST_ID: Final = "X-Request-Id"
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SMALL_BODY: Final = 1024 * 1024
_log = structlog.get_logger("http")

_CSP: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_upload_bytes: int, https: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._max_upload = max_upload_bytes + _SMALL_BODY  # the form around the file
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, self._limit(scope), https=self._https)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await self._serve(exchange, receive, send)
            finally:
                self._record(exchange, time.perf_counter() - started)

    async def _serve(self, exchange: "_Exchange", receive: Receive, send: Send) -> None:
        if exchange.announced > exchange.limit:
            await exchange.refuse(send)
            return
        await self._app(exchange.scope, exchange.receiving(receive), exchange.sending(send))

    def _limit(self, scope: Scope) -> int:
        kind = Headers(scope=scope).get("content-type", "")
        return self._max_upload if kind.startswith("multipart/form-data") else _SMALL_BODY

    def _record(self, exchange: "_Exchange", seconds: float) -> None:
        method = exchange.scope["method"]
        if method not in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}:
            method = "OTHER"
        self._metrics.finished(method, exchange.route, exchange.status, seconds)
        _log.info(
            "request", method=method, route=exchange.route, status=exchange.status, seconds=round(seconds, 4)
        )


class _Exchange:
    """One request and what is known of its answer."""

    def __init__(self, scope: Scope, limit: int, *, https: bool) -> None:
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        self.scope = scope
        self.limit = limit
        self.request_id = given if _GIVEN_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"
        self.announced = int(length) if (length := headers.get("content-length", "")).isdecimal() else 0
        self.status = 500
        self._https = https
        self._received = 0
        self._too_large = False
        scope.setdefault("state", {})["request_id"] = self.request_id

    @property
    def route(self) -> str:
        """The route as a template, or one word for whatever matched none."""
        return str(getattr(self.scope.get("route"), "path", "unmatched"))

    def receiving(self, receive: Receive) -> Receive:
        """Count the body as it comes in; past the limit the application sees the client leave."""

        async def counted() -> Message:
            message = await receive()
            self._received += len(message.get("body", b""))
            if self._received > self.limit:
                self._too_large = True
                return {"type": "http.disconnect"}
            return message

        return counted

    def sending(self, send: Send) -> Send:
        """Add headers to the answer, or replace it when the body was too large."""

        async def decorated(message: Message) -> None:
            if self._too_large:
                if message["type"] == "http.response.start":
                    await self.refuse(send)
                return
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self._decorate(MutableHeaders(scope=message))
            await send(message)

        return decorated

    async def refuse(self, send: Send) -> None:
        """Answer 413 with a problem document."""
        self.status = 413
        body = json.dumps(
            {
                "type": "urn:consent-service:problem:upload_too_large",
                "title": "too large",
                "status": 413,
                "detail": f"the request is larger than {self.limit} bytes",
                "code": "upload_too_large",
                "instance": self.request_id,
            }
        ).encode()
        headers = MutableHeaders(
            {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close"}
        )
        self._decorate(headers)
        await send({"type": "http.response.start", "status": 413, "headers": headers.raw})
        await send({"type": "http.response.body", "body": body})

    def _decorate(self, headers: MutableHeaders) -> None:
        headers[REQUEST_ID] = self.request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._https:
            headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
