"""A worker that dies on command: runs the jobs of one data folder and is killed at a named point.

Reads one order per line (JSON: clip, point, settings, largest file) from standard input; for each it forks a
child that builds the real service in these surroundings, runs its jobs and sends itself SIGKILL there. Prints
what became of the child. `run` lets a child finish its jobs; `hurry` too, with short pauses between the tries
of a step. The service itself knows nothing of this: the points are wrapped around its functions in the child
only.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from consent_service.clips import repository
from consent_service.clips.files import ClipFiles
from consent_service.clips.ledger import Ledger
from consent_service.container import build
from consent_service.db.session import reading
from consent_service.jobs import runtime
from consent_service.jobs.runtime import JobRuntime
from consent_service.jobs.steps import Patience
from consent_service.kernel.ids import ClipId
from consent_service.settings import Settings
from provenance.manifests import LocalSigner


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around_step(name: str, moment: str) -> None:
    """Die before a step, after its effect but before its record, or after its record."""
    original = JobRuntime.step

    def step(
        self: JobRuntime, step_name: str, function: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        if step_name != name:
            return original(self, step_name, function, *args, **options)

        def acted(*given: Any) -> Any:
            value = function(*given)
            if moment == "effect":
                die()
            return value

        value = original(self, step_name, acted, *args, **options)
        die()
        return value

    JobRuntime.step = step  # type: ignore[assignment,method-assign]  # this process exists to be killed here


def before(owner: type, name: str, condition: Callable[..., bool] = lambda *_: True) -> None:
    """Die instead of calling a function."""
    original = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        if condition(*args):
            die()
        return original(*args, **options)

    setattr(owner, name, call)


def after(owner: type, name: str, condition: Callable[..., bool] = lambda *_: True) -> None:
    """Die when a function has returned."""
    original = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        value = original(*args, **options)
        if condition(*args):
            die()
        return value

    setattr(owner, name, call)


def while_marking() -> None:
    """Die while the encoder is writing: as soon as its unfinished output has some size."""
    from threading import Thread  # noqa: PLC0415  # a thread before the fork would be lost in it

    folder = Settings().data_dir / "work"

    def watch() -> None:
        while not any(path.stat().st_size > 0 for path in folder.rglob("*.partial")):
            time.sleep(0.001)
        die()

    Thread(target=watch, daemon=True).start()


def arm(point: str) -> None:
    """Prepare the death this point names."""
    kind, _, rest = point.partition(":")
    if kind in {"effect", "record"}:
        around_step(rest, kind)
    elif point == "inside:mark":
        while_marking()
    elif point == "inside:sign":
        before(LocalSigner, "sign")
    elif point == "inside:store":
        after(ClipFiles, "put", lambda _, key, *__: key.startswith("published/"))
    elif point == "inside:commit":
        after(Ledger, "end_in")
    elif point == "hurry":
        vars(runtime)["Patience"] = partial(Patience, pause=0.05)
    elif point != "run":
        raise ValueError(f"no such point: {point}")


def work(clip_id: ClipId) -> None:
    """Run jobs until the clip's job has ended."""
    container = build(Settings())
    container.run_jobs()
    with reading(container.engine) as session:
        job_id = repository.get(session, clip_id).job_id
    container.runtime.wait(job_id, 120)
    container.close()


def live(order: dict[str, Any]) -> None:
    """Be one worker: in these surroundings, until this point."""
    os.environ.update({f"CONSENT_{name.upper()}": value for name, value in order["settings"].items()})
    largest = order["largest_file"]
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    arm(order["point"])
    work(ClipId(order["clip_id"]))


def main() -> None:
    """Serve orders until standard input ends."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            live(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write("killed\n" if died else f"ended {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
