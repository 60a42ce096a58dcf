"""Runs a function in a separate, confined process; the only way our code touches a stranger's media.

In: a top-level function and its arguments. Out: its result, its items one by one, or an exception of our
tree. The process has no network, no other programs, bounded memory, time and output, sees only the paths it
is given, and starts without our memory or environment. What can happen to it:

    raises our error        -> the same error here
    raises another error    -> the same built-in error here, or RuntimeError
    memory, time, output    -> MediaLimitError
    crashes, is killed      -> DecoderCrashedError
"""

import dataclasses
import pickle
import secrets
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from provenance.errors import DecoderCrashedError, MediaLimitError
from provenance.media import atomic, messages
from provenance.media.launcher import LAUNCHER, Child
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits
from provenance.media.worker import Request

T = TypeVar("T")
Progress = Callable[[float], None]
# What a caller is willing to hold of one answer: more than ten minutes of stereo sound at 96 kHz.
_MAX_ANSWER_BYTES = 512 * 1024 * 1024


def _paths_in(value: object) -> Iterator[Path]:
    """Every path among the arguments, also inside tuples, lists, mappings and dataclasses."""
    if isinstance(value, Path):
        yield value.absolute()
    elif isinstance(value, Mapping):
        yield from _paths_in(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _paths_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _paths_in(getattr(value, field.name))


def _request(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    limits: MediaLimits,
    readable: Iterable[Path],
    writable: Path | None,
) -> Request:
    module, name = function.__module__, function.__qualname__
    if not name.isidentifier() or module == "__main__":
        raise TypeError(f"`{module}.{name}` must be a top-level function of an importable module")
    return Request(
        module=module,
        file=getattr(sys.modules.get(module), "__file__", None),
        function=name,
        arguments=pickle.dumps((arguments, keywords)),
        limits=limits,
        readable=(*_paths_in((arguments, keywords)), *(path.absolute() for path in readable)),
        writable=writable.absolute() if writable is not None else None,
        token=secrets.token_hex(8),
        reports_progress=False,
        streams=False,
    )


def _failure(child: Child) -> Exception:
    """Why a process ended without an answer."""
    try:
        code = child.exit_code()
    except TimeoutError:
        return MediaLimitError("the media takes longer to process than allowed")
    if code == -signal.SIGXCPU:
        return MediaLimitError("the media needs more processor time than allowed")
    if code is not None and code < 0:
        return DecoderCrashedError(f"the media process died of signal {-code}")
    return DecoderCrashedError("the media process ended without an answer")


@contextmanager
def _started(request: Request) -> Iterator[Child]:
    """A running process; on the way out it is gone, and so is whatever it left unfinished."""
    try:
        with LAUNCHER.child(request) as child:
            yield child
    finally:
        if request.writable is not None:
            atomic.remove_partial(request.writable, request.token)


def _answers(request: Request, progress: Progress | None) -> Generator[tuple[bool, Any], None, None]:
    """Items (False, item), then the result (True, result).

    Raises:
        Exception: What the function raised, or why it could not finish.
    """
    packages = frozenset(("provenance", request.module.partition(".")[0]))
    with _started(request) as child:
        while True:
            try:
                kind, value = messages.receive(child.read, _MAX_ANSWER_BYTES, packages)
                failure = messages.rebuild_failure(value, packages) if kind == messages.FAILURE else None
            except TimeoutError:
                raise MediaLimitError("the media takes longer to process than allowed") from None
            except EOFError:
                raise _failure(child) from None
            except messages.BrokenMessageError as error:
                raise DecoderCrashedError("the media process gave an answer that cannot be read") from error
            if failure is not None:
                raise failure
            if kind == messages.PROGRESS:
                if progress is not None and isinstance(value, float):
                    progress(min(max(value, 0.0), 1.0))
                continue
            yield kind == messages.RESULT, value
            if kind == messages.RESULT:
                return


def run_sandboxed(
    function: Callable[..., T],
    *arguments: Any,  # noqa: ANN401  # arguments of any function
    limits: MediaLimits = DEFAULT_LIMITS,
    readable: Iterable[Path] = (),
    writable: Path | None = None,
    progress: Progress | None = None,
    **keywords: Any,  # noqa: ANN401  # arguments of any function
) -> T:
    """Run a top-level function in a confined process.

    Args:
        function: Function of an importable module; inside, the process may read the interpreter's files,
            every path among the arguments, and `readable`; nothing else.
        *arguments: Picklable arguments.
        limits: Limits in force.
        readable: Further files and folders to read.
        writable: The one folder to write to; outputs made with `replacing` leave nothing partial in it.
        progress: Called here with fractions 0..1; the function then receives a `progress` callable as
            keyword.
        **keywords: Picklable keyword arguments.

    Returns:
        Its result: numbers, text, containers, arrays, and dataclasses or enums of its own package.

    Raises:
        ProvenanceError: What the function raised of our own tree.
        MediaLimitError: If memory, time or output passed the limits.
        DecoderCrashedError: If the process died.
        SandboxUnavailableError: If this system has no sandbox.
    """
    request = _request(function, arguments, keywords, limits, readable, writable)
    request = dataclasses.replace(request, reports_progress=progress is not None)
    result: T
    with closing(_answers(request, progress)) as answers:
        for _, result in answers:  # noqa: B007  # the only answer is the result
            pass
    return result


def stream_sandboxed(
    function: Callable[..., Iterable[T]],
    *arguments: Any,  # noqa: ANN401  # arguments of any function
    limits: MediaLimits = DEFAULT_LIMITS,
    readable: Iterable[Path] = (),
    **keywords: Any,  # noqa: ANN401  # arguments of any function
) -> Generator[T, None, None]:
    """Run a top-level generator function in a confined process and hand over its items as they come.

    The process waits while the caller works on an item, so memory stays constant. Closing the generator ends
    it.

    Args:
        function: As for `run_sandboxed`.
        *arguments: Picklable arguments.
        limits: Limits in force.
        readable: Further files and folders to read.
        **keywords: Picklable keyword arguments.

    Yields:
        Items.

    Raises:
        ProvenanceError: As for `run_sandboxed`.
    """
    request = _request(function, arguments, keywords, limits, readable, None)
    with closing(_answers(dataclasses.replace(request, streams=True), None)) as answers:
        for finished, item in answers:
            if not finished:
                yield item
