"""The process that media processes are forked from: small, single-threaded, decoders loaded, no secrets.

In: requests on a Unix socket, each with three descriptors (control, request pipe, answer pipe). Out: one
forked, confined process per request, and its exit status on the control socket. It never reads media itself.
It ends when its caller ends, and every process it forked ends with it.

Forking from here instead of from the service gives a start in milliseconds, works whatever threads the
service runs, and shows the media process neither the service's memory nor its environment. What it costs: all
media processes of one service share one address layout, so an attacker may learn it over several tries; the
walls in `confinement` are therefore built as if the decoder were already taken over.
"""

import array
import contextlib
import ctypes
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass

from provenance.media.worker import run_request

STATUS = struct.Struct("<i")
MAX_REQUEST = 4096
_DESCRIPTORS = 3
_LAST_STANDARD_STREAM = 2
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Job:
    process_id: int
    process: int
    control: socket.socket


def _receive(server: socket.socket) -> tuple[str, list[int]] | None:
    """One request: the module to load, and the descriptors; None when the caller has gone."""
    descriptors = array.array("i")
    data, ancillary, _, _ = server.recvmsg(
        MAX_REQUEST, socket.CMSG_SPACE(_DESCRIPTORS * descriptors.itemsize)
    )
    if not data:
        return None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content)
    return str(json.loads(data)["module"]), list(descriptors)


def _load(module: str) -> None:
    """Import our own module once, so that later processes start with it loaded."""
    if module.partition(".")[0] == "provenance":
        with contextlib.suppress(Exception):  # the media process meets the same error and reports it
            importlib.import_module(module)


def _close_all_but(kept: tuple[int, ...]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, not paths
        number = int(name)
        if number > _LAST_STANDARD_STREAM and number not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
                os.close(number)


def _become_worker(request: int, answers: int, zygote_id: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != zygote_id:  # it died before the line above
        os._exit(1)
    _close_all_but((request, answers))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)
    run_request(request, answers)


def _fork(request: int, answers: int) -> int | None:
    """A new media process; None if the system has no room for one, and then only this request fails."""
    zygote_id = os.getpid()
    try:
        process_id = os.fork()
    except OSError:
        return None
    if process_id == 0:
        try:
            _become_worker(request, answers, zygote_id)
        finally:
            os._exit(1)
    return process_id


class Zygote:
    """Serves requests until the caller closes its end of the socket."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)

    def serve(self) -> None:
        """Fork, watch and reap until the caller has gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._server:
                    self._attend(key)
                elif not self._accept():
                    return

    def _accept(self) -> bool:
        received = _receive(self._server)
        if received is None:
            return False
        module, (control, request, answers) = received
        _load(module)
        process_id = _fork(request, answers)
        os.close(request)
        os.close(answers)
        if process_id is None:
            os.close(control)
            return True
        job = _Job(process_id, os.pidfd_open(process_id), socket.socket(fileno=control))
        self._selector.register(job.process, selectors.EVENT_READ, job)
        self._selector.register(job.control, selectors.EVENT_READ, job)
        return True

    def _attend(self, key: selectors.SelectorKey) -> None:
        job: _Job = key.data
        if job.process < 0:  # reaped earlier in the same round
            return
        if key.fileobj is job.control:  # any word from the caller, or its going, means: kill
            signal.pidfd_send_signal(job.process, signal.SIGKILL)
            self._selector.unregister(job.control)
            return
        _, status = os.waitpid(job.process_id, 0)
        with contextlib.suppress(OSError):  # the caller may not wait for it
            job.control.send(STATUS.pack(os.waitstatus_to_exitcode(status)))
        self._forget(job)

    def _forget(self, job: _Job) -> None:
        self._selector.unregister(job.process)
        with contextlib.suppress(KeyError):  # a killed job's control socket is no longer watched
            self._selector.unregister(job.control)
        os.close(job.process)
        job.process = -1
        job.control.close()


def main() -> None:
    """Serve on the socket whose descriptor is the last command-line argument."""
    with socket.socket(fileno=int(sys.argv[-1])) as server:
        Zygote(server).serve()
