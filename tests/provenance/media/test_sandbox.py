import errno
import functools
import importlib.util
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance.errors import (
    DecoderCrashedError,
    MalformedMediaError,
    MediaLimitError,
    ProvenanceError,
    SandboxUnavailableError,
    StorageFullError,
)
from provenance.media import (
    MediaLimits,
    confinement,
    landlock,
    launcher,
    run_sandboxed,
    seccomp,
    stream_sandboxed,
)

MIB = 1024 * 1024
QUICK = MediaLimits(max_wall_seconds=20.0, max_cpu_seconds=10)


def load_hostile() -> Any:  # a module of functions
    """Load the functions from their file; sandboxed processes then do so as well."""
    spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile"] = module
    spec.loader.exec_module(module)
    return module


hostile = load_hostile()
needs_landlock = pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")


def gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_results_arrays_and_keywords_come_back() -> None:
    result = run_sandboxed(hostile.answer, 7, factor=2.0)
    assert result.number == 7
    np.testing.assert_array_equal(result.values, np.arange(5) * 2)


def test_progress_is_reported_in_order() -> None:
    seen: list[float] = []
    assert run_sandboxed(hostile.report, progress=seen.append) == "done"
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_our_errors_pass_through_with_their_messages() -> None:
    with pytest.raises(MalformedMediaError, match="a broken box") as caught:
        run_sandboxed(hostile.fail_with, MalformedMediaError("a broken box"))
    assert caught.value.code == "media_malformed"


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), ZeroDivisionError("no")])
def test_programming_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match="no"):
        run_sandboxed(hostile.fail_with, error)


def test_an_error_that_cannot_be_rebuilt_is_still_an_error() -> None:
    with pytest.raises(ProvenanceError, match="one two"):
        run_sandboxed(hostile.fail_strangely)


def test_an_answer_that_is_not_a_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="does not pass"):
        run_sandboxed(hostile.return_function)


@pytest.mark.parametrize("crash", [hostile.read_null, hostile.abort, hostile.leave])
def test_a_crash_is_an_error_of_the_caller_not_its_end(crash: Callable[[], None]) -> None:
    with pytest.raises(DecoderCrashedError):
        run_sandboxed(crash)
    assert run_sandboxed(hostile.answer, 1).number == 1


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(hostile.fill_memory, (1024,)), (hostile.fill_memory_with_arrays, ()), (hostile.share_memory, ())],
)
def test_memory_is_bounded(function: Callable[..., object], arguments: tuple[int, ...]) -> None:
    limits = MediaLimits(max_memory_bytes=400 * MIB, max_wall_seconds=20)
    with pytest.raises(MediaLimitError, match="memory"):
        run_sandboxed(function, *arguments, limits=limits)


def test_processor_time_is_bounded() -> None:
    with pytest.raises(MediaLimitError, match="processor time"):
        run_sandboxed(hostile.burn, limits=MediaLimits(max_cpu_seconds=1, max_wall_seconds=30))


def test_waiting_is_bounded() -> None:
    with pytest.raises(MediaLimitError, match="longer to process"):
        run_sandboxed(hostile.sleep, limits=MediaLimits(max_wall_seconds=0.3))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (hostile.connect_out, ()),
        (hostile.make_socket, (socket.AF_INET,)),
        (hostile.make_socket, (socket.AF_INET6,)),
        (hostile.make_socket, (socket.AF_UNIX,)),
        (hostile.make_socket_pair, ()),
        (hostile.fork, ()),
        (hostile.run_program, ()),
        (hostile.signal_caller, (os.getpid(),)),
    ],
)
def test_no_network_programs_or_other_processes(
    function: Callable[..., None], arguments: tuple[int, ...]
) -> None:
    with pytest.raises(PermissionError):
        run_sandboxed(function, *arguments, limits=QUICK)


def test_limits_cannot_be_raised_again() -> None:
    with pytest.raises((PermissionError, ValueError)):
        run_sandboxed(hostile.raise_limit, limits=QUICK)


@pytest.mark.parametrize("name", ["ptrace", "bpf", "io_uring_setup", "userfaultfd", "unshare", "pidfd_open"])
def test_dangerous_system_calls_are_denied(name: str) -> None:
    architecture = seccomp.current_architecture()
    assert architecture is not None
    assert run_sandboxed(hostile.system_call, architecture.denied[name], limits=QUICK) == errno.EPERM


def test_threads_still_work() -> None:
    assert run_sandboxed(hostile.use_threads, limits=QUICK) == [0, 1, 4, 9]


def test_the_environment_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_SECRET", "hidden")
    launcher.LAUNCHER.stop()  # the next process starts from this environment
    seen = run_sandboxed(hostile.environment, limits=QUICK)
    assert "CONSENT_SECRET" not in seen
    assert "PATH" not in seen
    assert "HOME" not in seen


def test_no_descriptor_of_the_caller_is_open(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    with secret.open():
        assert run_sandboxed(hostile.open_descriptors, limits=QUICK) == ["/dev/null"] * 3
        # Standard streams, the answer pipe, and the listing itself.
        assert run_sandboxed(hostile.descriptor_count, limits=QUICK) <= 6


@needs_landlock
def test_only_given_paths_can_be_read(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text("yes")
    other.write_text("no")
    assert run_sandboxed(hostile.read_path, given, limits=QUICK) == "yes"
    assert run_sandboxed(hostile.read_text, str(given), readable=[given], limits=QUICK) == "yes"
    for hidden in (str(other), "/etc/passwd", f"/proc/{os.getpid()}/environ"):
        with pytest.raises(PermissionError):
            run_sandboxed(hostile.read_text, hidden, limits=QUICK)


@needs_landlock
def test_only_the_given_folder_can_be_written(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    run_sandboxed(hostile.write_text, str(inside / "file"), writable=inside, limits=QUICK)
    assert (inside / "file").read_text() == "x"
    with pytest.raises(PermissionError):
        run_sandboxed(hostile.write_text, str(outside / "file"), writable=inside, limits=QUICK)
    with pytest.raises(PermissionError):
        run_sandboxed(hostile.write_text, str(outside / "file"), limits=QUICK)


def test_output_is_bounded_and_nothing_partial_stays(tmp_path: Path) -> None:
    with pytest.raises(MediaLimitError, match="size limit"):
        run_sandboxed(hostile.write_whole, tmp_path, MIB, MIB // 2, writable=tmp_path, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_the_system_bounds_output_too(tmp_path: Path) -> None:
    limits = MediaLimits(max_output_bytes=MIB // 2, max_wall_seconds=20)
    with pytest.raises(MediaLimitError, match="size limit"):
        run_sandboxed(hostile.write_plainly, tmp_path, MIB, writable=tmp_path, limits=limits)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError):
        run_sandboxed(hostile.run_out_of_space, tmp_path, writable=tmp_path, limits=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("the old one")
    with pytest.raises(DecoderCrashedError, match="signal 9"):
        run_sandboxed(hostile.die_while_writing, tmp_path, writable=tmp_path, limits=QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "the old one"


def test_items_stream_one_by_one() -> None:
    stacked = np.stack(list(stream_sandboxed(hostile.arrays, limits=QUICK)))
    assert stacked.shape == (3, 40, 50, 3)
    assert stacked[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_a_stream_ends_with_its_error() -> None:
    stream = stream_sandboxed(hostile.three_then_fail, limits=QUICK)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MalformedMediaError, match="the third"):
        next(stream)


def test_closing_a_stream_ends_its_process() -> None:
    stream = stream_sandboxed(hostile.count_up, limits=QUICK)
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    _, process_id = next(stream)
    assert not gone(process_id)
    stream.close()
    assert gone(process_id)


def test_a_callers_own_error_ends_the_process() -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sandboxed(hostile.report, progress=stop, limits=QUICK)
    assert run_sandboxed(hostile.answer, 2).number == 2


def test_many_threads_may_call_at_once() -> None:
    def ask(number: int) -> int:
        return int(run_sandboxed(hostile.answer, number, limits=QUICK).number)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(12))) == list(range(12))
    assert threading.active_count() < 20


def test_a_dead_zygote_is_replaced() -> None:
    assert run_sandboxed(hostile.answer, 1).number == 1
    zygote = launcher.LAUNCHER._zygote
    assert zygote is not None
    zygote._process.kill()
    zygote._process.wait()
    assert run_sandboxed(hostile.answer, 2).number == 2


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


def test_a_forked_caller_starts_its_own(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("import os\ndef parent():\n    return os.getppid()\n")
    program = textwrap.dedent("""
        import os, sys
        sys.path.insert(0, sys.argv[1])
        from worker import parent
        from provenance.media import run_sandboxed
        first = run_sandboxed(parent)
        child = os.fork()
        if child == 0:
            os._exit(0 if run_sandboxed(parent) != first else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert run_sandboxed(parent) == first
        """)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)


def test_confinement_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert confinement().processes
    assert confinement().files == (landlock.version() > 0)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert not confinement().processes


def test_what_the_zygote_loads_starts_no_thread() -> None:
    # Forking a process with threads may leave a lock held for ever.
    program = textwrap.dedent("""
        import os, sys
        import provenance.verify, provenance.watermark, provenance.manifests, provenance.softbinding
        sys.exit(len(os.listdir("/proc/self/task")) - 1)
        """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=launcher._ENVIRONMENT)


def test_an_interpreter_that_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher.LAUNCHER.stop()
    monkeypatch.setattr(sys, "executable", "/absent/python")
    with pytest.raises(SandboxUnavailableError, match="cannot be started"):
        run_sandboxed(hostile.answer, 1)
    monkeypatch.undo()
    assert run_sandboxed(hostile.answer, 1).number == 1


def test_only_top_level_functions_are_accepted() -> None:
    with pytest.raises(TypeError, match="top-level"):
        run_sandboxed(lambda: 1)
    with pytest.raises((TypeError, AttributeError)):
        run_sandboxed(functools.partial(hostile.answer, 1))


def test_no_sandbox_means_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailableError):
        run_sandboxed(hostile.answer, 1)
