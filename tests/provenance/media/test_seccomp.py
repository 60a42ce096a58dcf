"""The filter is run here by a small interpreter, so that both architectures are checked on either."""

import errno
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.media import seccomp
from provenance.media.seccomp import ARCHITECTURES, Architecture, build_filter

PROCESS = 4711
ALLOW, KILL = 0x7FFF0000, 0x80000000
DENY = 0x00050000 | errno.EPERM
ABSENT = 0x00050000 | errno.ENOSYS


def run(program: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Classic BPF as the kernel runs it, for the instructions the filter uses."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, audit, 0, *padded)
    accumulator, counter = 0, 0
    while True:
        code, when_true, when_false, value = struct.unpack_from("=HBBI", program, counter * 8)
        counter += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            matches = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }
            counter += when_true if matches[code] else when_false


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.fixture
def program(architecture: Architecture) -> bytes:
    return build_filter(architecture, PROCESS)


def test_every_denied_call_fails(architecture: Architecture, program: bytes) -> None:
    for number in architecture.denied.values():
        assert run(program, architecture.audit, number) == DENY


def test_everything_else_is_allowed(architecture: Architecture, program: bytes) -> None:
    special = {architecture.clone, architecture.clone3, architecture.prlimit64, *architecture.signals}
    for number in set(range(470)) - set(architecture.denied.values()) - special:
        assert run(program, architecture.audit, number) == ALLOW


def test_a_foreign_architecture_is_killed(architecture: Architecture, program: bytes) -> None:
    i386 = 0x40000003
    assert run(program, i386, 11) == KILL
    assert run(program, architecture.audit ^ 1, 0) == KILL


def test_the_second_abi_of_x86_64_is_killed() -> None:
    architecture = ARCHITECTURES["x86_64"]
    program = build_filter(architecture, PROCESS)
    assert run(program, architecture.audit, 0x40000000 | 41) == KILL


def test_clone_makes_threads_only(architecture: Architecture, program: bytes) -> None:
    thread = 0x3D0F00  # what pthread_create asks for
    assert run(program, architecture.audit, architecture.clone, (thread,)) == ALLOW
    assert run(program, architecture.audit, architecture.clone, (17,)) == DENY  # SIGCHLD: a process
    assert run(program, architecture.audit, architecture.clone3) == ABSENT


def test_signals_reach_the_process_itself_only(architecture: Architecture, program: bytes) -> None:
    for number in architecture.signals:
        assert run(program, architecture.audit, number, (PROCESS,)) == ALLOW
        assert run(program, architecture.audit, number, (1,)) == DENY
        assert run(program, architecture.audit, number, (0xFFFFFFFFFFFFFFFF,)) == DENY


@settings(deadline=None)
@given(pointer=st.integers(0, 2**64 - 1))
def test_limits_can_be_read_and_never_set(pointer: int) -> None:
    for architecture in ARCHITECTURES.values():
        program = build_filter(architecture, PROCESS)
        verdict = run(program, architecture.audit, architecture.prlimit64, (0, 1, pointer, 5))
        assert verdict == (ALLOW if pointer == 0 else DENY)


def test_both_architectures_deny_the_same_names() -> None:
    only_x86_64 = {"fork", "vfork", "iopl", "ioperm"}  # aarch64 never had them
    assert set(ARCHITECTURES["x86_64"].denied) - set(ARCHITECTURES["aarch64"].denied) == only_x86_64
    assert set(ARCHITECTURES["aarch64"].denied) <= set(ARCHITECTURES["x86_64"].denied)


def test_an_unknown_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert seccomp.current_architecture() is None
    with pytest.raises(OSError, match="architecture"):
        seccomp.install_filter()
