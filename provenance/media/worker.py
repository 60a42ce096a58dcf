"""What a media process does: read its request, load the function, give up all power, run it, answer.

In: one trusted request on a pipe. Out: progress, items, then one result or one failure on another pipe. The
process ends afterwards; nothing is reused from one file to the next.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from provenance.errors import ProvenanceError
from provenance.media import atomic, messages
from provenance.media.confinement import confine
from provenance.media.failures import translate
from provenance.media.limits import MediaLimits

_PROGRESS_STEP = 0.005


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, and within which bounds.

    Attributes:
        module: Module of the function.
        file: Its source file, for modules that are not importable by name.
        function: Name of the function in the module.
        arguments: Pickled positional and keyword arguments.
        limits: Limits in force.
        readable: Absolute paths to read.
        writable: Absolute folder to write to.
        token: Marks partial outputs, so that the caller can remove them if this process dies.
        reports_progress: Whether the function takes a `progress` callable.
        streams: Whether the function yields items.
    """

    module: str
    file: str | None
    function: str
    arguments: bytes
    limits: MediaLimits
    readable: tuple[Path, ...]
    writable: Path | None
    token: str
    reports_progress: bool
    streams: bool


def _make_parents(name: str) -> None:
    """Stand-ins for the packages above a module; pickling imports them before it looks at the module."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        parent = ".".join(parts[:length])
        sys.modules.setdefault(parent, ModuleType(parent))


def load_module(name: str, file: str | None) -> ModuleType:
    """Import a module by name, or from its file where the name is not importable (a test module, say)."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if file is None:
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        _make_parents(name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


def _reporter(answers: int) -> Callable[[float], None]:
    last = -1.0

    def report(fraction: float) -> None:
        nonlocal last
        if fraction - last >= _PROGRESS_STEP or fraction >= 1.0 > last:
            last = fraction
            messages.send(answers, messages.PROGRESS, float(fraction))

    return report


def _call(request: Request, function: Callable[..., Any], answers: int) -> None:
    arguments, keywords = pickle.loads(request.arguments)  # noqa: S301  # the request is the caller's own
    if request.reports_progress:
        keywords["progress"] = _reporter(answers)
    result = function(*arguments, **keywords)
    if request.streams:
        for item in result:
            messages.send(answers, messages.ITEM, item)
        result = None
    messages.send(answers, messages.RESULT, result)


def _report_failure(answers: int, error: BaseException) -> None:
    ours = translate(error)
    described = messages.describe_failure(ours if ours is not None else error)
    messages.send(answers, messages.FAILURE, described)


def _prepare(data: bytes) -> tuple[Request, Callable[..., Any]]:
    request: Request = pickle.loads(data)  # noqa: S301  # written by the caller, before any media was read
    function = getattr(load_module(request.module, request.file), request.function)
    return request, function


def run_request(request_pipe: int, answers: int) -> None:
    """Serve one request and end the process.

    Args:
        request_pipe: Descriptor to read the request from.
        answers: Descriptor to write answers to.
    """
    with io.FileIO(request_pipe) as pipe:
        data = pipe.readall()
    code = 1
    try:
        request, function = _prepare(data)
        atomic.set_token(request.token)
        confine(request.limits, request.readable, request.writable)
        _call(request, function, answers)
        code = 0
    except BrokenPipeError:
        pass  # the caller has gone: nobody to tell
    except BaseException as error:  # noqa: BLE001  # the last frame of the process: everything must be reported
        with contextlib.suppress(OSError, MemoryError):
            _report_failure(answers, error)
            code = 0 if isinstance(error, ProvenanceError) else 1
    os._exit(code)
