"""System calls a media process may not make: no network, no new programs, no reach into other processes.

In: nothing. Out: a seccomp filter on the calling thread and all its later threads, which cannot be taken off.
Decoders keep what they need (files, memory, threads, clocks); the calls below fail with EPERM. It is a list
of what is denied: numpy and FFmpeg use a wide and changing set of harmless calls.

Source: Linux `Documentation/userspace-api/seccomp_filter.rst`; numbers from `asm/unistd_64.h` (x86_64) and
`asm-generic/unistd.h` (aarch64).
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_RET_KILL_PROCESS = 0x80000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets into `struct seccomp_data`: number, architecture, instruction pointer (8 bytes), six 8-byte
# arguments.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000

# The same numbers on both architectures: every call added since Linux 5.1.
_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "process_mrelease": 448,
}  # fmt: skip

_X86_64 = {
    "shmget": 29, "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59,
    "ptrace": 101, "rt_sigqueueinfo": 129, "personality": 135, "pivot_root": 155, "adjtimex": 159,
    "setrlimit": 160, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172,
    "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179, "tkill": 200,
    "clock_settime": 227, "mq_open": 240, "kexec_load": 246, "add_key": 248, "request_key": 249,
    "keyctl": 250, "unshare": 272, "accept4": 288, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
    "recvmmsg": 299, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305,
    "sendmmsg": 307, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "finit_module": 313, "seccomp": 317, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321,
    "execveat": 322, "userfaultfd": 323,
}  # fmt: skip

_AARCH64 = {
    "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60, "acct": 89, "personality": 92,
    "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112,
    "ptrace": 117, "tkill": 130, "rt_sigqueueinfo": 138, "reboot": 142, "sethostname": 161,
    "setdomainname": 162, "setrlimit": 164, "settimeofday": 170, "adjtimex": 171, "mq_open": 180,
    "shmget": 194, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202,
    "connect": 203, "sendto": 206, "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "add_key": 217,
    "request_key": 218, "keyctl": 219, "execve": 221, "swapon": 224, "swapoff": 225,
    "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "accept4": 242, "recvmmsg": 243,
    "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "sendmmsg": 269,
    "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "seccomp": 277,
    "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """System-call numbers of one architecture.

    Attributes:
        audit: `AUDIT_ARCH_*` value that seccomp reports.
        denied: Calls that always fail with EPERM.
        clone: Allowed only to make a thread.
        clone3: Fails with ENOSYS, so that the C library falls back to `clone`, whose flags a filter can read.
        signals: Calls allowed only towards the process itself (`abort` needs them).
        prlimit64: Allowed only to read.
        x32: Whether numbers above bit 30 are a second ABI to be refused.
    """

    audit: int
    denied: dict[str, int]
    clone: int
    signals: tuple[int, ...]
    prlimit64: int
    x32: bool
    clone3: int = 435


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, _X86_64 | _COMMON, 56, (62, 234), 302, x32=True),
    "aarch64": Architecture(0xC00000B7, _AARCH64 | _COMMON, 220, (129, 131), 261, x32=False),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _instruction(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _when_number(number: int, body: Iterable[bytes]) -> list[bytes]:
    """Instructions of `body`, run for one system call; `body` ends in a return."""
    instructions = list(body)
    return [_instruction(_JUMP_EQUAL, number, 0, len(instructions)), *instructions]


def _fail(code: int) -> bytes:
    return _instruction(_RETURN, _RET_ERRNO | code)


def build_filter(architecture: Architecture, process_id: int) -> bytes:
    """Assemble the filter.

    Args:
        architecture: Numbers to use.
        process_id: The only process that may be signalled.

    Returns:
        Classic BPF instructions, 8 bytes each.
    """
    allow, kill = _instruction(_RETURN, _RET_ALLOW), _instruction(_RETURN, _RET_KILL_PROCESS)
    first, third = _ARGUMENTS, _ARGUMENTS + 16
    deny = _fail(errno.EPERM)
    program = [_instruction(_LOAD, _ARCHITECTURE), _instruction(_JUMP_EQUAL, architecture.audit, 1, 0), kill]
    program.append(_instruction(_LOAD, _NUMBER))
    if architecture.x32:
        program += [_instruction(_JUMP_AT_LEAST, _X32_BIT, 0, 1), kill]
    for number in architecture.denied.values():
        program += _when_number(number, [deny])
    program += _when_number(architecture.clone3, [_fail(errno.ENOSYS)])
    threads_only = [_instruction(_LOAD, first), _instruction(_JUMP_ANY_BIT, _CLONE_THREAD, 1, 0), deny, allow]
    program += _when_number(architecture.clone, threads_only)
    for number in architecture.signals:
        oneself = [_instruction(_LOAD, first), _instruction(_JUMP_EQUAL, process_id, 1, 0), deny, allow]
        program += _when_number(number, oneself)
    read_only = [
        *(_instruction(_LOAD, third), _instruction(_JUMP_EQUAL, 0, 1, 0), deny),
        *(_instruction(_LOAD, third + 4), _instruction(_JUMP_EQUAL, 0, 1, 0), deny, allow),
    ]
    program += _when_number(architecture.prlimit64, read_only)
    return b"".join([*program, allow])


def current_architecture() -> Architecture | None:
    """Numbers for this machine, or None where no filter is known (the sandbox then refuses to start)."""
    return ARCHITECTURES.get(platform.machine()) if platform.system() == "Linux" else None


def install_filter() -> None:
    """Put the filter on this process for good. Call while it has a single thread.

    Raises:
        OSError: If the kernel refuses, or the architecture is unknown.
    """
    architecture = current_architecture()
    if architecture is None:
        raise OSError(errno.ENOSYS, "no system-call filter for this architecture")
    libc = ctypes.CDLL(None, use_errno=True)
    code = build_filter(architecture, os.getpid())
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot give up new privileges")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot install the system-call filter")
