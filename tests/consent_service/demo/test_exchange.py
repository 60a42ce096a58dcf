"""The story's callers and its webhook endpoint, over real sockets of this machine."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from consent_service.accounts.signing import headers, new_secret
from consent_service.demo.client import Caller, ServiceAnswerError
from consent_service.demo.notices import NoticeBoard


class _Service(BaseHTTPRequestHandler):
    """Answers as the service would: work that goes on for a while, a problem, what was sent."""

    looks = 0

    def do_GET(self) -> None:
        type(self).looks += 1
        if self.path == "/missing":
            self._answer(404, {"code": "cameo_unknown", "detail": "there is no such cameo"})
        else:
            self._answer(200, {"state": "marking" if self.looks < 3 else "published"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        keyed = bool(self.headers["Idempotency-Key"])
        who = self.headers.get("authorization")
        self._answer(201, {"keyed": keyed, "who": who, "size": len(body)})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    _Service.looks = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    caller = Caller(url, "csk_key")
    yield caller
    caller.close()


def test_creating_posts_carry_a_key_of_their_own(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(b"x" * 1000)
    assert caller.post("/v1/challenges") == {"keyed": True, "who": "Bearer csk_key", "size": 2}
    sent = caller.send("/v1/clips", file, {"declaration": "{}"})
    assert sent["keyed"]
    assert sent["size"] > 1000


def test_work_is_watched_until_it_rests(caller: Caller) -> None:
    seen: list[str] = []
    assert caller.watch("/work", "state", frozenset({"marking"}), seen.append) == {"state": "published"}
    assert seen == ["marking", "published"]


def test_a_problem_is_named(caller: Caller) -> None:
    with pytest.raises(ServiceAnswerError, match="404 cameo_unknown: there is no such cameo") as problem:
        caller.get("/missing")
    assert problem.value.code == "cameo_unknown"


def test_notices_are_taken_in_and_forgeries_told_apart() -> None:
    secret = new_secret()
    body = json.dumps({"type": "grant.revoked", "data": {"grant_id": "grt_a"}}).encode()
    with NoticeBoard() as board:
        board.trust(secret)
        for key in (new_secret(), secret):
            signed = headers(key, "msg_1", datetime.now(UTC), body)
            assert httpx.post(board.url, content=body, headers=signed, trust_env=False).status_code == 204
            notice = board.wait_for("grant.revoked")
            assert notice is not None
            assert notice.signed is (key == secret)
        assert board.wait_for("clip.published", seconds=0.01) is None
