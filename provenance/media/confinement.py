"""Takes everything away from a media process that decoding does not need.

In: limits, paths to read, a folder to write. Out: the calling process, confined for good, in this order:
1. resource limits: memory, processor time, file size, open files, no core dump;
2. capabilities dropped (a service run as root keeps only the right to read files whoever owns them);
3. Landlock: the file system, where the kernel has it;
4. seccomp: no network, no programs, no other processes.

RLIMIT_DATA counts private writable memory, stacks included; RLIMIT_AS, with room for libraries and address
space that threads merely reserve, bounds shared mappings as well.
"""

import ctypes
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provenance.media import landlock, seccomp
from provenance.media.limits import MediaLimits

_RESERVED_ADDRESS_SPACE = 4 * 1024**3
_OPEN_FILES = 128
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE = 1
_CAP_LAST = 63
_CAPABILITY_VERSION_3 = 0x20080522
# What numpy, OpenCV and FFmpeg read of the system: libraries, time zones, processor features.
_SYSTEM_PATHS = (
    *(
        "/usr/lib",
        "/usr/lib64",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
        "/usr/share/zoneinfo",
        "/etc/localtime",
    ),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/proc/self", "/sys/devices/system/cpu", "/sys/fs/cgroup"),
)


def interpreter_paths() -> tuple[Path, ...]:
    """Folders and files the interpreter and its installed packages are read from."""
    installed = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    installed.update(entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    return tuple(Path(path) for path in sorted(installed | set(_SYSTEM_PATHS)))


@dataclass(frozen=True, slots=True)
class Confinement:
    """How well this system confines media processes.

    Attributes:
        processes: Whether they can be started at all: Linux on x86_64 or aarch64. If not, media is not read.
        files: Whether Landlock hides other files; if not, file permissions alone protect them.
    """

    processes: bool
    files: bool


def confinement() -> Confinement:
    """How well this system confines media processes, for readiness checks and operators."""
    possible = seccomp.current_architecture() is not None and hasattr(os, "pidfd_open")
    return Confinement(possible, possible and landlock.version() > 0)


def limit_resources(limits: MediaLimits) -> None:
    """Set resource limits that this process cannot raise again."""
    address_space = limits.max_memory_bytes + _RESERVED_ADDRESS_SPACE
    for kind, soft, hard in (
        (resource.RLIMIT_DATA, limits.max_memory_bytes, limits.max_memory_bytes),
        (resource.RLIMIT_AS, address_space, address_space),
        (resource.RLIMIT_CPU, limits.max_cpu_seconds, limits.max_cpu_seconds + 1),
        (resource.RLIMIT_FSIZE, limits.max_output_bytes, limits.max_output_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        inherited = ceiling if ceiling != resource.RLIM_INFINITY else hard
        resource.setrlimit(kind, (min(soft, inherited), min(hard, inherited)))


def drop_capabilities() -> None:
    """Give up every capability but reading files of other owners (and that only where it is held)."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_CAP_LAST + 1):
        if capability != _CAP_DAC_OVERRIDE:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(24)
    libc.capget(header, held)
    kept = struct.unpack("=6I", held.raw)[1] & (1 << _CAP_DAC_OVERRIDE)
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def confine(limits: MediaLimits, readable: Iterable[Path], writable: Path | None) -> None:
    """Confine the calling process for good. Call while it has a single thread.

    Args:
        limits: Limits in force.
        readable: Files and folders to read besides the interpreter's own.
        writable: Folder to write to, if any.

    Raises:
        OSError: If the kernel refuses a step; the process must then not go on.
    """
    limit_resources(limits)
    drop_capabilities()
    landlock.restrict((*interpreter_paths(), *readable), writable)
    seccomp.install_filter()
