"""One step of a workflow as a value: it succeeded with a JSON value, or failed for good with a code.

In: a function and how often to try. Out: an outcome that is recorded once, so that a workflow resumed after a
crash takes the same branch as before. What may pass (a signer that does not answer) is tried again with
growing pauses; what will not change (a broken file) fails at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final

import structlog
from sqlalchemy.exc import OperationalError

from consent_service.kernel.errors import ConsentError, StorageFullError, UnavailableError
from provenance.errors import ProvenanceError, SignerUnavailableError, TimestampUnavailableError
from provenance.errors import StorageFullError as ProvenanceStorageFullError

_log = structlog.get_logger("jobs")
TRANSIENT: Final = (
    UnavailableError,
    StorageFullError,
    SignerUnavailableError,
    TimestampUnavailableError,
    ProvenanceStorageFullError,
    OperationalError,
    ConnectionError,
    TimeoutError,
)


class StepFailedError(ConsentError):
    """A step failed for good; `code` is that of the error behind it."""

    title = "a job could not be finished"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a step is tried, and the pause in seconds before the second try; pauses double.

    Attributes:
        attempts: Tries in all.
        pause: First pause in seconds.
    """

    attempts: int = 5
    pause: float = 0.5

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.pause < 0:
            raise ValueError("a step is tried at least once")


class Stopped(BaseException):  # no error: like KeyboardInterrupt it must pass every handler
    """The process is stopping. A workflow that meets this stays as it is and resumes at the next launch."""


def attempt(
    name: str, function: Callable[[], object], patience: Patience, stopping: Event
) -> dict[str, object]:
    """Return `{"value": ...}`, or `{"code": ..., "detail": ...}` once there is no hope.

    Raises:
        Stopped: The process is stopping; nothing is recorded, so the step is tried at the next launch.
    """
    for number in range(1, patience.attempts + 1):
        try:
            return {"value": function()}
        except Exception as error:  # noqa: BLE001  # the outcome is recorded, whatever it is
            final = number == patience.attempts or not isinstance(error, TRANSIENT)
            _log.warning("step failed", step=name, error=code_of(error), attempt=number, final=final)
            if final:
                return {"code": code_of(error), "detail": _detail(error)}
            if stopping.wait(patience.pause * 2 ** (number - 1)):
                raise Stopped from None
    raise AssertionError("unreachable")


def settle(outcome: dict[str, object]) -> object:
    """Return the value of an outcome.

    Raises:
        StepFailedError: The step failed for good.
    """
    if "code" in outcome:
        raise StepFailedError(str(outcome["code"]), str(outcome["detail"]))
    return outcome["value"]


def code_of(error: BaseException) -> str:
    """Return the stable code of an error, or its class name."""
    return error.code if isinstance(error, (ConsentError, ProvenanceError)) else type(error).__name__


def _detail(error: BaseException) -> str:
    """Return a message only from errors whose messages are known to carry nothing personal."""
    return str(error) if isinstance(error, (ConsentError, ProvenanceError)) else "an unexpected error"
