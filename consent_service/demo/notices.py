"""A platform's webhook endpoint on this machine: takes notices in and checks their signatures.

In: POST requests in the Standard Webhooks form. Out: the notices, verified or not.
"""

import hmac
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from consent_service.accounts.signing import headers


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as it arrived.

    Attributes:
        type: For example `grant.revoked`.
        data: Ids and reasons.
        signed: Whether the signature is the service's.
    """

    type: str
    data: dict[str, Any]
    signed: bool


class NoticeBoard:
    """The endpoint; runs in a thread while the context is open."""

    def __init__(self) -> None:
        self._secret = ""
        self._arrived: list[Notice] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where notices are to be sent."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/notices"

    def trust(self, secret: str) -> None:
        """Check notices with this secret from now on."""
        self._secret = secret

    def wait_for(self, kind: str, seconds: float = 15.0) -> Notice | None:
        """Return the latest notice of a kind, waiting for it if need be; None if it does not come."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = [notice for notice in self._arrived if notice.type == kind]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found[-1] if found else None
                self._changed.wait(left)

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, received: Mapping[str, str], body: bytes) -> None:
        """Take one notice in, with the headers it came with."""
        at = datetime.fromtimestamp(int(received["webhook-timestamp"]), UTC)
        expected = headers(self._secret, received["webhook-id"], at, body)
        signed = hmac.compare_digest(received["webhook-signature"], expected["webhook-signature"])
        event = json.loads(body)
        with self._changed:
            self._arrived.append(Notice(event["type"], event["data"], signed))
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                board.take(dict(self.headers.items()), body)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet: the story tells what arrived."""

        return Handler
