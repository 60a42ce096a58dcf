"""What passes between a caller and a sandboxed process, and why the caller may read it.

In: values of our own plain types. Out: framed bytes on a pipe. The request comes from the caller and is
trusted. The answers come from a process that may have been taken over by the file it decoded, so they are
unpickled by a reader that can make nothing but numbers, text, containers, numpy arrays, and the values
(dataclasses, enums) of the packages concerned: never call a function, never import a stranger's module.
"""

import builtins
import dataclasses
import enum
import importlib
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from provenance.errors import ProvenanceError

PROGRESS, ITEM, RESULT, FAILURE = range(4)
_HEADER = struct.Struct("<BIQ")
_LENGTH = struct.Struct("<Q")
_MAX_BUFFERS = 256
_PLAIN = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
_PLAIN_MODULES = {
    "fractions": ("Fraction",),
    "decimal": ("Decimal",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "uuid": ("UUID",),
    "pathlib": ("Path", "PosixPath"),
    "pathlib._local": ("Path", "PosixPath"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
}


class BrokenMessageError(Exception):
    """The bytes on the pipe are not a message this reader accepts."""


def is_value_class(found: object) -> bool:
    """Whether a class is a plain value: a dataclass, an enum or a named tuple."""
    if not isinstance(found, type):
        return False
    named_tuple = issubclass(found, tuple) and hasattr(found, "_fields")
    return dataclasses.is_dataclass(found) or issubclass(found, enum.Enum) or named_tuple


class _ValueReader(pickle.Unpickler):
    """Unpickles plain values only.

    Args:
        data: Pickle bytes.
        buffers: Out-of-band buffers of arrays.
        packages: Top-level packages whose value classes may appear.
    """

    def __init__(self, data: bytes, buffers: list[bytearray], packages: frozenset[str]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._packages = packages

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # the base class says so
        """Resolve a class that may appear in an answer."""
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if name in _PLAIN_MODULES.get(module, ()):
            return getattr(importlib.import_module(module), name)
        if module.partition(".")[0] in self._packages and "." not in name:
            found = getattr(importlib.import_module(module), name, None)
            if is_value_class(found):
                return found
        raise BrokenMessageError(f"an answer may not hold `{module}.{name}`")

    def persistent_load(self, _: object) -> Any:  # noqa: ANN401  # the base class says so
        """Refuse persistent references."""
        raise BrokenMessageError("an answer may not hold references")


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def send(descriptor: int, kind: int, value: object) -> None:
    """Write one message; arrays travel without an intermediate copy.

    Args:
        descriptor: Pipe to write to.
        kind: One of the message kinds.
        value: What to send.
    """
    buffers: list[pickle.PickleBuffer] = []
    payload = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    head = _HEADER.pack(kind, len(raw), len(payload))
    _write_all(descriptor, head + b"".join(_LENGTH.pack(len(view)) for view in raw) + payload)
    for view in raw:
        _write_all(descriptor, view)


def receive(read: Callable[[int], bytearray], limit: int, packages: frozenset[str]) -> tuple[int, object]:
    """Read one message of an untrusted process.

    Args:
        read: Returns exactly so many bytes, or raises EOFError.
        limit: Most bytes one message may hold.
        packages: Top-level packages whose value classes may appear.

    Returns:
        Kind and value.

    Raises:
        BrokenMessageError: If it is malformed, too large, or holds anything but plain values.
        EOFError: If the other side ended.
    """
    kind, count, length = _HEADER.unpack(read(_HEADER.size))
    if count > _MAX_BUFFERS or length > limit:
        raise BrokenMessageError("an answer is too large")
    lengths = [_LENGTH.unpack(read(_LENGTH.size))[0] for _ in range(count)]
    if length + sum(lengths) > limit:
        raise BrokenMessageError("an answer is too large")
    payload = bytes(read(length))
    buffers = [read(size) for size in lengths]
    try:
        return kind, _ValueReader(payload, buffers, packages).load()
    except BrokenMessageError:
        raise
    except Exception as error:
        raise BrokenMessageError("an answer cannot be read") from error


def describe_failure(error: BaseException) -> str:
    """Text by which an exception crosses the pipe: its class and its plain arguments."""
    arguments = [item if isinstance(item, str | int | float | bool) else str(item) for item in error.args]
    kind = type(error)
    return json.dumps({"module": kind.__module__, "name": kind.__qualname__, "arguments": arguments})


def _exception_class(module: str, name: str, packages: frozenset[str]) -> type[Exception] | None:
    if module == "builtins":
        found: object = getattr(builtins, name, None)
    elif module.partition(".")[0] in packages and name.isidentifier():
        found = getattr(importlib.import_module(module), name, None)
    else:
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def rebuild_failure(text: object, packages: frozenset[str]) -> Exception:
    """The exception that a sandboxed function raised.

    Args:
        text: What `describe_failure` wrote, unverified.
        packages: Top-level packages whose exceptions may appear.

    Returns:
        The same exception for our own tree and Python's built-in ones; a RuntimeError naming it otherwise.

    Raises:
        BrokenMessageError: If the text is not of that shape.
    """
    try:
        fields = json.loads(str(text))
        module, name, arguments = str(fields["module"]), str(fields["name"]), list(fields["arguments"])
        kind = _exception_class(module, name, packages)
    except (ValueError, KeyError, TypeError, ImportError) as error:
        raise BrokenMessageError("a failure cannot be read") from error
    plain = all(isinstance(item, str | int | float | bool) for item in arguments)
    if kind is None or not plain:
        return RuntimeError(f"a sandboxed function raised `{name}`: {'; '.join(map(str, arguments))}")
    try:
        return kind(*arguments)
    except Exception:  # noqa: BLE001  # a constructor of any signature: fall back to the root of the tree
        return ProvenanceError(f"`{name}`: {'; '.join(map(str, arguments))}")
