"""Which files a media process may touch: the interpreter's own, its input, and one folder to write to.

In: paths to read, at most one folder to write. Out: a Landlock ruleset on the calling thread and its
children, or False where the kernel has none (before 5.13, or switched off): then only file permissions
protect the rest.

Source: Linux `Documentation/userspace-api/landlock.rst`.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

# Rights and ruleset size by ABI version; later versions are used as the newest one known here.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_ABI, _SCOPE_ABI = 4, 6
_ALL_NETWORK, _ALL_SCOPES = 3, 3


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: cannot {what}")
    return result


def version() -> int:
    """Landlock ABI version of the kernel; 0 where there is none."""
    return max(0, int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def _create(abi: int) -> tuple[int, int]:
    rights = _FILE_RIGHTS[min(abi, max(_FILE_RIGHTS))]
    attribute = struct.pack("=Q", rights)
    if abi >= _NETWORK_ABI:
        attribute += struct.pack("=Q", _ALL_NETWORK)
    if abi >= _SCOPE_ABI:
        attribute += struct.pack("=Q", _ALL_SCOPES)
    ruleset = _libc().syscall(_CREATE_RULESET, attribute, ctypes.c_size_t(len(attribute)), 0)
    return _checked(ruleset, "create a ruleset"), rights


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = rights if path.is_dir() else rights & _FILE_ONLY
        rule = struct.pack("=Qi", allowed, descriptor)
        _checked(_libc().syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0), "add a rule")
    finally:
        os.close(descriptor)


def restrict(readable: Iterable[Path], writable: Path | None) -> bool:
    """Allow this process nothing but the given paths, for good.

    Args:
        readable: Files and folders to read; absent ones are passed over.
        writable: Folder in which files may be made, written, renamed and removed.

    Returns:
        False if the kernel has no Landlock.

    Raises:
        OSError: If the kernel has Landlock and refuses.
    """
    abi = version()
    if abi == 0:
        return False
    ruleset, rights = _create(abi)
    try:
        for path in readable:
            if path.exists():
                _allow(ruleset, path, _READ & rights)
        if writable is not None:
            _allow(ruleset, writable, _WRITE & rights)
        _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges")
        _checked(_libc().syscall(_RESTRICT_SELF, ruleset, 0), "restrict the process")
    finally:
        os.close(ruleset)
    return True
