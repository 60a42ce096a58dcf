"""The whole story in ten steps, on real media, real models, real signatures, against a running service.

In: an output folder and a console. Out: files, and a summary that says for each step what was expected and
what was seen. The first expectation that does not hold ends the story.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from consent_service.demo.client import ServiceAnswerError
from consent_service.demo.enrolling import enrol_two, turn_attacks_away
from consent_service.demo.granting import ask, give_grant, hear_of_it, revoke
from consent_service.demo.proving import prove
from consent_service.demo.publishing import publish, refuse_undeclared, verify, verify_withdrawn
from consent_service.demo.report import Narrator, UnmetExpectationError
from consent_service.demo.stage import set_up
from consent_service.kernel.errors import ConsentError
from provenance.errors import ProvenanceError

_COULD_NOT: Final = (
    ConsentError,
    ProvenanceError,
    ServiceAnswerError,
    httpx.HTTPError,
    OSError,
    LookupError,  # an answer without the field the story reads
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the story ended.

    Attributes:
        failure: What did not hold or could not be done; None when all is well.
        summary: Everything that was told, as JSON values.
    """

    failure: str | None
    summary: dict[str, Any]


def tell_story(tell: Narrator, out: Path) -> Ending:
    """Tell the story from set-up to proof."""
    begin, started = time.monotonic(), datetime.now(UTC)
    failure: str | None = None
    out.mkdir(parents=True, exist_ok=True)
    try:
        _steps(tell, out)
    except UnmetExpectationError as error:
        failure = f"step {_step(tell)}: expected that {error.claim}"
    except _COULD_NOT as error:
        failure = f"step {_step(tell)}: could not be done: {type(error).__name__}: {error}"
    summary = {
        "ok": failure is None,
        "failure": failure,
        "started_at": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begin, 1),
        "steps": [step.to_json() for step in tell.steps],
        "files": sorted(path.name for path in out.glob("*.mp4")),
    }
    return Ending(failure, summary)


def _steps(tell: Narrator, out: Path) -> None:
    with ExitStack() as stack:
        with tell.step(1, "Set-up: models, keys, database, a running service"):
            stage = stack.enter_context(set_up(tell, out))
        with tell.step(2, "Two people record cameos"):
            she, _ = enrol_two(tell, stage)
        with tell.step(3, "An imposter, an old recording and a flat photo are refused"):
            turn_attacks_away(tell, stage, she)
        with tell.step(4, "She grants him the use of her likeness"):
            grant = give_grant(tell, stage, she)
        with tell.step(5, "A platform asks whether he may"):
            ask(tell, stage, she, grant)
        with tell.step(6, "A generated clip is checked, marked, signed, read back and published"):
            clip = publish(tell, stage, she, grant)
        with tell.step(7, "Without its declaration, or with a stranger in it, a clip stays in"):
            refuse_undeclared(tell, stage, she, clip)
        with tell.step(8, "The published file is verified, tampered with, re-encoded"):
            verify(tell, stage, clip)
        with tell.step(9, "She revokes"):
            revoke(tell, stage, she, grant)
            verify_withdrawn(tell, stage, clip)
            hear_of_it(tell, stage, grant, clip.clip_id)
        with tell.step(10, "The audit log proves all of it"):
            prove(tell, stage)


def _step(tell: Narrator) -> str:
    return f"{tell.steps[-1].number} ({tell.steps[-1].title})" if tell.steps else "0"
