"""A caller of the service: what a platform or a person's app does over HTTP.

In: addresses, keys, JSON and files. Out: decoded answers. Every creating POST carries an `Idempotency-Key`,
and long work is watched at the place the service names.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

JsonObject = dict[str, Any]

_POLL_SECONDS: Final = 0.25
_PATIENCE_SECONDS: Final = 300.0


class ServiceAnswerError(Exception):
    """The service answered with a problem.

    Attributes:
        code: Its stable name, for example `challenge_used`.
    """

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        self.status = response.status_code
        self.code = str(problem.get("code", "unknown"))
        super().__init__(f"{self.status} {self.code}: {problem.get('detail', response.text[:200])}")


class Caller:
    """Somebody with an API key, or a stranger without one."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # The service is on this machine: no proxy of the environment has a say.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=120.0, trust_env=False)

    def get(self, path: str) -> JsonObject:
        """Return a JSON answer."""
        answer: JsonObject = _checked(self._http.get(path)).json()
        return answer

    def fetch(self, path: str) -> bytes:
        """Return an answer as it is."""
        return _checked(self._http.get(path)).content

    def post(self, path: str, body: Mapping[str, object] | None = None) -> JsonObject:
        """Send JSON."""
        answer: JsonObject = _checked(self._http.post(path, json=dict(body or {}), headers=_once())).json()
        return answer

    def send(self, path: str, file: Path, fields: Mapping[str, str] | None = None) -> JsonObject:
        """Send a file with form fields."""
        with file.open("rb") as content:
            files = {"file": (file.name, content, "video/mp4")}
            response = self._http.post(path, files=files, data=dict(fields or {}), headers=_once())
        answer: JsonObject = _checked(response).json()
        return answer

    def watch(
        self, path: str, state: str, pending: frozenset[str], seen: Callable[[str], None] | None = None
    ) -> JsonObject:
        """Look at long work until it rests.

        Args:
            path: Where to look.
            state: Name of the field that tells how far it is.
            pending: States in which it goes on.
            seen: Told of every new state.

        Raises:
            TimeoutError: It did not come to rest.
        """
        deadline, last = time.monotonic() + _PATIENCE_SECONDS, ""
        while time.monotonic() < deadline:
            answer = self.get(path)
            if answer[state] != last and seen is not None:
                seen(answer[state])
            last = answer[state]
            if last not in pending:
                return answer
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"`{path}` is still `{last}`")

    def close(self) -> None:
        """Let go of open connections."""
        self._http.close()


def _once() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(16)}


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise ServiceAnswerError(response)
    return response


def _problem(response: httpx.Response) -> JsonObject:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
