import ctypes
import errno
import functools
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.errors import (
    DecoderCrashedError,
    MalformedMediaError,
    MediaLimitError,
    ProvenanceError,
    SandboxUnavailableError,
    StorageFullError,
)
from provenance.media import MediaLimits, landlock, launcher, run_sandboxed, seccomp, stream_sandboxed
from provenance.media.atomic import replacing

MIB = 1024 * 1024
QUICK = MediaLimits(max_wall_seconds=20.0, max_cpu_seconds=10)
needs_landlock = pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    values: NDArray[np.float32]


class StrangerError(Exception):
    """Takes two arguments, so it cannot be rebuilt from its message."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def answer(number: int, *, factor: float = 1.0) -> Answer:
    return Answer(number, np.arange(5, dtype=np.float32) * factor)


def report(progress: Callable[[float], None]) -> str:
    for step in range(5):
        progress(step / 4)
    return "done"


def fail_with(error: Exception) -> None:
    raise error


def fail_strangely() -> None:
    raise StrangerError("one", "two")


def return_function() -> object:
    return os.getcwd


def read_null() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def leave() -> None:
    os._exit(3)


def fill_memory(mebibytes: int) -> int:
    return len([b"x" * MIB for _ in range(mebibytes)])


def fill_memory_with_arrays() -> float:
    return float(np.ones((64, 1024, 1024, 8)).sum())


def share_memory() -> int:
    return len(mmap.mmap(-1, 64 * 1024 * MIB))


def burn() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(60)


def connect_out() -> None:
    socket.create_connection(("127.0.0.1", 9))


def make_socket(family: int) -> None:
    socket.socket(family)


def make_socket_pair() -> None:
    socket.socketpair()


def fork() -> None:
    os.fork()


def run_program() -> None:
    os.execv("/bin/true", ["true"])


def signal_caller(process_id: int) -> None:
    os.kill(process_id, 0)


def raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (100, 100))


def system_call(number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(number, 0, 0, 0, 0, 0)
    return ctypes.get_errno()


def use_threads() -> list[int]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: number * number, range(4)))


def environment() -> dict[str, str]:
    return dict(os.environ)


def open_descriptors() -> list[str]:
    return [str(Path(f"/proc/self/fd/{number}").readlink()) for number in (0, 1, 2)]


def descriptor_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def read_text(path: str) -> str:
    return Path(path).read_text()


def read_path(path: Path) -> str:
    return path.read_text()


def write_text(path: str) -> None:
    Path(path).write_text("x")


def write_whole(folder: Path, size: int, limit: int) -> None:
    with replacing(folder / "out", max_bytes=limit) as file:
        for _ in range(size // 1024):
            file.write(b"x" * 1024)


def write_plainly(folder: Path, size: int) -> None:
    with (folder / "out").open("wb", buffering=0) as file:
        for _ in range(size // 1024):
            file.write(b"x" * 1024)


def die_while_writing(folder: Path) -> None:
    with replacing(folder / "out", max_bytes=MIB) as file:
        file.write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def run_out_of_space(folder: Path) -> None:
    with replacing(folder / "out", max_bytes=MIB) as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def count_up() -> Iterator[tuple[int, int]]:
    number = 0
    while True:
        yield number, os.getpid()
        number += 1


def three_then_fail() -> Iterator[int]:
    yield from range(3)
    raise MalformedMediaError("the third was the last")


def arrays() -> Iterator[NDArray[np.uint8]]:
    for number in range(3):
        yield np.full((40, 50, 3), number, np.uint8)


def gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_results_arrays_and_keywords_come_back() -> None:
    result = run_sandboxed(answer, 7, factor=2.0)
    assert result.number == 7
    np.testing.assert_array_equal(result.values, np.arange(5) * 2)


def test_progress_is_reported_in_order() -> None:
    seen: list[float] = []
    assert run_sandboxed(report, progress=seen.append) == "done"
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_our_errors_pass_through_with_their_messages() -> None:
    with pytest.raises(MalformedMediaError, match="a broken box") as caught:
        run_sandboxed(fail_with, MalformedMediaError("a broken box"))
    assert caught.value.code == "media_malformed"


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), ZeroDivisionError("no")])
def test_programming_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match="no"):
        run_sandboxed(fail_with, error)


def test_an_error_that_cannot_be_rebuilt_is_still_an_error() -> None:
    with pytest.raises(ProvenanceError, match="one two"):
        run_sandboxed(fail_strangely)


def test_an_answer_that_is_not_a_plain_value_is_refused() -> None:
    with pytest.raises(DecoderCrashedError, match="cannot be read"):
        run_sandboxed(return_function)


@pytest.mark.parametrize("crash", [read_null, abort, leave])
def test_a_crash_is_an_error_of_the_caller_not_its_end(crash: Callable[[], None]) -> None:
    with pytest.raises(DecoderCrashedError):
        run_sandboxed(crash)
    assert run_sandboxed(answer, 1).number == 1


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(fill_memory, (1024,)), (fill_memory_with_arrays, ()), (share_memory, ())],
)
def test_memory_is_bounded(function: Callable[..., object], arguments: tuple[int, ...]) -> None:
    limits = MediaLimits(max_memory_bytes=400 * MIB, max_wall_seconds=20)
    with pytest.raises(MediaLimitError, match="memory"):
        run_sandboxed(function, *arguments, limits=limits)


def test_processor_time_is_bounded() -> None:
    with pytest.raises(MediaLimitError, match="processor time"):
        run_sandboxed(burn, limits=MediaLimits(max_cpu_seconds=1, max_wall_seconds=30))


def test_waiting_is_bounded() -> None:
    with pytest.raises(MediaLimitError, match="longer to process"):
        run_sandboxed(sleep, limits=MediaLimits(max_wall_seconds=0.3))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (connect_out, ()),
        (make_socket, (socket.AF_INET,)),
        (make_socket, (socket.AF_INET6,)),
        (make_socket, (socket.AF_UNIX,)),
        (make_socket_pair, ()),
        (fork, ()),
        (run_program, ()),
        (signal_caller, (os.getpid(),)),
    ],
)
def test_no_network_programs_or_other_processes(
    function: Callable[..., None], arguments: tuple[int, ...]
) -> None:
    with pytest.raises(PermissionError):
        run_sandboxed(function, *arguments, limits=QUICK)


def test_limits_cannot_be_raised_again() -> None:
    with pytest.raises((PermissionError, ValueError)):
        run_sandboxed(raise_limit, limits=QUICK)


@pytest.mark.parametrize("name", ["ptrace", "bpf", "io_uring_setup", "userfaultfd", "unshare", "pidfd_open"])
def test_dangerous_system_calls_are_denied(name: str) -> None:
    architecture = seccomp.current_architecture()
    assert architecture is not None
    assert run_sandboxed(system_call, architecture.denied[name], limits=QUICK) == errno.EPERM


def test_threads_still_work() -> None:
    assert run_sandboxed(use_threads, limits=QUICK) == [0, 1, 4, 9]


def test_the_environment_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_SECRET", "hidden")
    launcher.LAUNCHER.stop()  # the next process starts from this environment
    seen = run_sandboxed(environment, limits=QUICK)
    assert "CONSENT_SECRET" not in seen
    assert "PATH" not in seen
    assert "HOME" not in seen


def test_no_descriptor_of_the_caller_is_open(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    with secret.open():
        assert run_sandboxed(open_descriptors, limits=QUICK) == ["/dev/null"] * 3
        # Standard streams, the answer pipe, and the listing itself.
        assert run_sandboxed(descriptor_count, limits=QUICK) <= 6


@needs_landlock
def test_only_given_paths_can_be_read(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text("yes")
    other.write_text("no")
    assert run_sandboxed(read_path, given, limits=QUICK) == "yes"
    assert run_sandboxed(read_text, str(given), readable=[given], limits=QUICK) == "yes"
    for hidden in (str(other), "/etc/passwd", f"/proc/{os.getpid()}/environ"):
        with pytest.raises(PermissionError):
            run_sandboxed(read_text, hidden, limits=QUICK)


@needs_landlock
def test_only_the_given_folder_can_be_written(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    run_sandboxed(write_text, str(inside / "file"), writable=inside, limits=QUICK)
    assert (inside / "file").read_text() == "x"
    with pytest.raises(PermissionError):
        run_sandboxed(write_text, str(outside / "file"), writable=inside, limits=QUICK)
    with pytest.raises(PermissionError):
        run_sandboxed(write_text, str(outside / "file"), limits=QUICK)


def test_output_is_bounded_and_nothing_partial_stays(tmp_path: Path) -> None:
    with pytest.raises(MediaLimitError, match="size limit"):
        run_sandboxed(write_whole, tmp_path, MIB, MIB // 2, writable=tmp_path, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_the_system_bounds_output_too(tmp_path: Path) -> None:
    limits = MediaLimits(max_output_bytes=MIB // 2, max_wall_seconds=20)
    with pytest.raises(MediaLimitError, match="size limit"):
        run_sandboxed(write_plainly, tmp_path, MIB, writable=tmp_path, limits=limits)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError):
        run_sandboxed(run_out_of_space, tmp_path, writable=tmp_path, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("the old one")
    with pytest.raises(DecoderCrashedError, match="signal 9"):
        run_sandboxed(die_while_writing, tmp_path, writable=tmp_path, limits=QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "the old one"


def test_items_stream_one_by_one() -> None:
    stacked = np.stack(list(stream_sandboxed(arrays, limits=QUICK)))
    assert stacked.shape == (3, 40, 50, 3)
    assert stacked[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_a_stream_ends_with_its_error() -> None:
    stream = stream_sandboxed(three_then_fail, limits=QUICK)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MalformedMediaError, match="the third"):
        next(stream)


def test_closing_a_stream_ends_its_process() -> None:
    stream = stream_sandboxed(count_up, limits=QUICK)
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    _, process_id = next(stream)
    assert not gone(process_id)
    stream.close()
    assert gone(process_id)


def test_a_callers_own_error_ends_the_process() -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sandboxed(report, progress=stop, limits=QUICK)
    assert run_sandboxed(answer, 2).number == 2


def test_many_threads_may_call_at_once() -> None:
    def ask(number: int) -> int:
        return run_sandboxed(answer, number, limits=QUICK).number

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(12))) == list(range(12))
    assert threading.active_count() < 20


def test_a_dead_zygote_is_replaced() -> None:
    assert run_sandboxed(answer, 1).number == 1
    zygote = launcher.LAUNCHER._zygote
    assert zygote is not None
    zygote._process.kill()
    zygote._process.wait()
    assert run_sandboxed(answer, 2).number == 2


def test_processes_end_with_a_killed_caller(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(
        textwrap.dedent("""
        import os, time

        def endless():
            yield os.getpid()
            time.sleep(60)
        """)
    )
    program = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from endless import endless
        from provenance.media import stream_sandboxed
        for process_id in stream_sandboxed(endless):
            print(process_id, flush=True)
        """)
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        process_id = int(caller.stdout.readline())
        assert not gone(process_id)
        caller.kill()
    for _ in range(100):
        if gone(process_id):
            return
        time.sleep(0.05)
    pytest.fail("the media process outlived its caller")


def test_only_top_level_functions_are_accepted() -> None:
    with pytest.raises(TypeError, match="top-level"):
        run_sandboxed(lambda: 1)
    with pytest.raises((TypeError, AttributeError)):
        run_sandboxed(functools.partial(answer, 1))


def test_no_sandbox_means_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailableError):
        run_sandboxed(answer, 1)
