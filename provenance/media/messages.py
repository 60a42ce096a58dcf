"""What passes between a caller and a sandboxed process, and why the caller may read it.

In: values, exceptions. Out: framed bytes on a pipe. The request comes from the caller and is trusted. The
answers come from a process that may have been taken over by the file it decoded: their sizes are checked
before anything is held, and they can hold plain values only (see `values`).
"""

import builtins
import importlib
import json
import os
import struct
from collections.abc import Callable

from provenance.errors import ProvenanceError
from provenance.media.values import Buffer, ForeignValueError, Packer, Unpacker

PROGRESS, ITEM, RESULT, FAILURE = range(4)
_HEADER = struct.Struct("<BIQ")
_LENGTH = struct.Struct("<Q")
_MAX_BUFFERS = 4096


class BrokenMessageError(Exception):
    """The bytes on the pipe are not a message this reader accepts."""


def _write_all(descriptor: int, data: Buffer) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def send(descriptor: int, kind: int, value: object) -> None:
    """Write one message; arrays travel without an intermediate copy.

    Args:
        descriptor: Pipe to write to.
        kind: One of the message kinds.
        value: What to send.

    Raises:
        ForeignValueError: If it is not a plain value; nothing is written then.
    """
    packer = Packer()
    payload = json.dumps(packer.pack(value)).encode()
    lengths = b"".join(_LENGTH.pack(len(buffer)) for buffer in packer.buffers)
    _write_all(descriptor, _HEADER.pack(kind, len(packer.buffers), len(payload)) + lengths + payload)
    for buffer in packer.buffers:
        _write_all(descriptor, buffer)


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
        return kind, Unpacker(buffers, packages).unpack(json.loads(payload))
    except (ForeignValueError, ValueError, RecursionError) as error:
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
