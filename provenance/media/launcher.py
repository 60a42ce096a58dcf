"""Starts media processes: keeps one zygote per service process and asks it for confined children.

In: a request. Out: a `Child` whose answers can be read under a deadline, and which can be killed. The zygote
is started on first use with a scrubbed environment, started anew if it died, and ends with this process.
"""

import array
import atexit
import contextlib
import fcntl
import json
import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from provenance.errors import SandboxUnavailableError
from provenance.media.confinement import confinement
from provenance.media.worker import Request
from provenance.media.zygote import STATUS

_BOOT = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from provenance.media.zygote import main
main()
"""
# One arena per two threads keeps memory near what is used; libraries that start threads when they are loaded
# would make forking unsafe. Everything else of the environment stays behind: it may hold secrets.
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "TZ")
_READ_SIZE = 1 << 20
_PIPE_SIZE = 1 << 20


class Child:
    """One media process, seen from the caller.

    Args:
        control: Socket on which its exit status arrives; a word on it kills.
        answers: Pipe with its answers.
        wall_seconds: Longest total wait for it.
    """

    def __init__(self, control: socket.socket, answers: int, wall_seconds: float) -> None:
        self._control = control
        self._answers = answers
        self._left = wall_seconds
        self.timed_out = False

    def _wait(self, descriptor: int) -> None:
        started = time.monotonic()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        ready = poller.poll(max(0.0, self._left) * 1000)
        self._left -= time.monotonic() - started
        if not ready:
            self.timed_out = True
            raise TimeoutError

    def read(self, size: int) -> bytearray:
        """Read exactly `size` bytes of its answers.

        Raises:
            EOFError: If it ended.
            TimeoutError: If the wall-clock allowance is spent.
        """
        data = bytearray(size)
        view = memoryview(data)
        while view:
            self._wait(self._answers)
            count = os.readv(self._answers, [view[:_READ_SIZE]])
            if count == 0:
                raise EOFError
            view = view[count:]
        return data

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None if the zygote died with it.

        Raises:
            TimeoutError: If it goes on running past the wall-clock allowance.
        """
        self._wait(self._control.fileno())
        data = self._control.recv(STATUS.size)
        return int(STATUS.unpack(data)[0]) if len(data) == STATUS.size else None

    def end(self) -> None:
        """Kill it if it still runs, and wait until it is gone."""
        os.close(self._answers)
        with self._control, contextlib.suppress(OSError):
            self._control.send(b"k")
            self._control.settimeout(10)
            self._control.recv(STATUS.size)


class _Zygote:
    """The running zygote and our end of its socket."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = _ENVIRONMENT | {
            name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ
        }
        paths = json.dumps([os.path.abspath(entry) for entry in sys.path])  # noqa: PTH100  # "" is the cwd
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(self._socket.close)
            command = [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, paths, str(theirs.fileno())]
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and program
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            undo.pop_all()

    def ask(self, module: str, descriptors: list[int]) -> None:
        message = json.dumps({"module": module}).encode()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        self._socket.sendmsg([message], [rights])

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._socket.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def abandon(self) -> None:
        """In a forked copy of the caller: the zygote belongs to the original."""
        self._socket.close()
        self._process.returncode = 0


class Launcher:
    """Hands out children; safe to use from any thread, and in forked copies of the caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None

    def _ask(self, module: str, descriptors: list[int]) -> None:
        with self._lock:
            with contextlib.suppress(OSError):
                self._living().ask(module, descriptors)
                return
            try:  # it died since it was looked at
                self._living().ask(module, descriptors)
            except OSError as error:
                raise SandboxUnavailableError("media processes cannot be started") from error

    def _living(self) -> _Zygote:
        if self._zygote is not None and not self._zygote.running():
            self._zygote.stop()
            self._zygote = None
        if self._zygote is None:
            self._zygote = _Zygote()
        return self._zygote

    def stop(self) -> None:
        """End the zygote and every child of it."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.stop()
                self._zygote = None

    def forget(self) -> None:
        """After a fork of the caller: start afresh."""
        self._lock = threading.Lock()
        if self._zygote is not None:
            self._zygote.abandon()
            self._zygote = None

    @contextmanager
    def child(self, request: Request) -> Iterator[Child]:
        """Start a media process; it is gone when the block ends, however it ends.

        Args:
            request: What it runs.

        Yields:
            The running process.

        Raises:
            SandboxUnavailableError: If this system has no sandbox; media is then not read at all.
        """
        if not confinement().processes:
            raise SandboxUnavailableError("media is only read on Linux, on x86_64 or aarch64")
        ours, theirs = socket.socketpair()
        request_read, request_write = os.pipe()
        answers_read, answers_write = _wide_pipe()
        child = Child(ours, answers_read, request.limits.max_wall_seconds)
        try:
            with _closing(request_write), contextlib.suppress(BrokenPipeError):
                with theirs, _closing(request_read), _closing(answers_write):
                    self._ask(request.module, [theirs.fileno(), request_read, answers_write])
                _send_request(request_write, request)
            yield child
        finally:
            child.end()


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _wide_pipe() -> tuple[int, int]:
    """A pipe that takes a third of a 720p picture at once: fewer switches between the processes."""
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # an ordinary user may have only so much pipe memory
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return read, write


def _send_request(descriptor: int, request: Request) -> None:
    rest = memoryview(pickle.dumps(request))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


LAUNCHER = Launcher()
atexit.register(LAUNCHER.stop)
os.register_at_fork(after_in_child=LAUNCHER.forget)
