import contextlib
import enum
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from provenance.errors import EmptyMediaError, ProvenanceError
from provenance.media import MediaInfo, messages
from provenance.media.messages import FAILURE, ITEM, RESULT, BrokenMessageError
from provenance.media.values import ForeignValueError

PACKAGES = frozenset(("provenance", __name__.partition(".")[0]))
LIMIT = 1 << 20
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.binary(), inner, max_size=4)
    ),
    max_leaves=10,
)


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: Path


@dataclass(frozen=True, slots=True)
class Value:
    colour: Colour
    rate: Fraction
    path: Path
    when: datetime


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        for descriptor in (read, write):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def read_exactly(descriptor: int, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        piece = os.read(descriptor, size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def there_and_back(value: object, limit: int = LIMIT) -> object:
    with pipe() as (read, write):
        sender = threading.Thread(target=messages.send, args=(write, RESULT, value))
        sender.start()
        try:
            kind, received = messages.receive(lambda size: read_exactly(read, size), limit, PACKAGES)
        finally:
            with contextlib.suppress(OSError):
                os.set_blocking(read, False)
                while os.read(read, 1 << 16):
                    pass
            sender.join()
    assert kind == RESULT
    return received


def receive_raw(raw: bytes, limit: int = LIMIT) -> object:
    with pipe() as (read, write):
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 18)
        os.write(write, raw)
        os.close(write)
        return messages.receive(lambda size: read_exactly(read, size), limit, PACKAGES)[1]


def framed(payload: bytes, kind: int = RESULT, buffers: tuple[bytes, ...] = ()) -> bytes:
    lengths = b"".join(struct.pack("<Q", len(buffer)) for buffer in buffers)
    return struct.pack("<BIQ", kind, len(buffers), len(payload)) + lengths + payload + b"".join(buffers)


@settings(deadline=None)
@given(value=plain_values)
def test_plain_values_come_back(value: object) -> None:
    assert there_and_back(value) == value


@settings(deadline=None)
@given(
    array=numpy_st.arrays(
        dtype=st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
        shape=numpy_st.array_shapes(max_dims=3, max_side=8),
    )
)
def test_arrays_come_back_writable(array: np.ndarray) -> None:
    received = there_and_back(array)
    assert isinstance(received, np.ndarray)
    np.testing.assert_array_equal(received, array)
    assert received.dtype == array.dtype
    assert received.flags.writeable


def test_value_classes_come_back() -> None:
    value = Value(Colour.RED, Fraction(30000, 1001), Path("x"), datetime(2026, 11, 22, tzinfo=UTC))
    assert there_and_back(value) == value
    info = MediaInfo("x", 1.0, None, None, None, False, True, None, "aac", 48000, 0)  # noqa: FBT003  # fields
    mixed = {"items": (info, {1, 2}, frozenset("a"), np.float32(0.5), Pair(1, Path("y")))}
    assert there_and_back(mixed) == mixed


@pytest.mark.parametrize(
    "payload",
    [
        '["value", "os", "system", {"command": "true"}]',
        '["value", "builtins", "eval", {"source": "1"}]',
        '["value", "subprocess", "Popen", {"args": "true"}]',
        '["value", "provenance.media.sandbox", "run_sandboxed", {"function": "x"}]',
        '["value", "provenance.media.launcher", "LAUNCHER", {}]',
        '["value", "provenance.media.launcher", "Launcher", {}]',
        '["value", "provenance.media.probe", "av.open", {}]',
        '["value", "provenance.media.probe", "__builtins__", {}]',
        '["value", "provenance.none", "Value", {}]',
        '["value", "provenance.media.limits", "MediaLimits", {"max_bytes": 0}]',
        '["value", "provenance.media.limits", "MediaLimits", {"unknown": 1}]',
        '["value", "provenance.media.limits", "MediaLimits", []]',
        '["enum", "provenance.media.limits", "MediaLimits", "max_bytes"]',
        '["enum", "signal", "Signals", "SIGINT"]',
        '["array", "|O", [1], 0]',
        '["array", "<f4", [2], 0]',
        '["array", "<f4", [-1], 0]',
        '["array", "<f4", [4611686018427387904], 0]',
        '["array", "<f4,<f4", [1], 0]',
        '["number", "|V8", [], 0]',
        '["bytes", 7]',
        '["fraction", 1, 0]',
        '["time", "yesterday"]',
        '["set", [["list", []]]]',
        '["unknown", 1]',
        '["list"]',
        "[]",
        "{}",
        "[[[[",
        "[" * 100_000,
        "",
        "nonsense",
    ],
)
def test_hostile_answers_are_refused(payload: str) -> None:
    with pytest.raises(BrokenMessageError):
        receive_raw(framed(payload.encode(), buffers=(b"\0" * 4,)))


def test_what_is_no_value_is_not_sent() -> None:
    with pipe() as (_, write):
        for value in (os.getcwd, object(), np.array(["x"], dtype=object), MediaInfo, [lambda: 1]):
            with pytest.raises(ForeignValueError):
                messages.send(write, RESULT, value)


def test_announced_sizes_are_checked_before_anything_is_held() -> None:
    with pytest.raises(BrokenMessageError, match="too large"):
        receive_raw(struct.pack("<BIQ", RESULT, 0, 1 << 62))
    with pytest.raises(BrokenMessageError, match="too large"):
        receive_raw(struct.pack("<BIQ", RESULT, 1 << 31, 4))
    with pytest.raises(BrokenMessageError, match="too large"):
        receive_raw(struct.pack("<BIQQ", ITEM, 1, 4, 1 << 62))
    with pytest.raises(BrokenMessageError, match="too large"):
        there_and_back(np.zeros(2000, np.uint8), limit=1000)


def test_a_pipe_that_ends_is_not_an_answer() -> None:
    with pytest.raises(EOFError):
        receive_raw(framed(b"abc")[:-1])


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_never_do_more_than_fail(data: bytes) -> None:
    with contextlib.suppress(BrokenMessageError, EOFError):
        receive_raw(framed(data))


def test_failures_cross_with_class_and_message() -> None:
    text = messages.describe_failure(EmptyMediaError("the file is empty"))
    error = messages.rebuild_failure(text, PACKAGES)
    assert type(error) is EmptyMediaError
    assert str(error) == "the file is empty"
    assert FAILURE not in (RESULT, ITEM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"module": "os", "name": "system", "arguments": ["true"]}', RuntimeError),
        ('{"module": "builtins", "name": "SystemExit", "arguments": ["1"]}', RuntimeError),
        ('{"module": "builtins", "name": "print", "arguments": ["1"]}', RuntimeError),
        ('{"module": "provenance.media.sandbox", "name": "run_sandboxed", "arguments": []}', RuntimeError),
        ('{"module": "provenance.errors", "name": "ProvenanceError", "arguments": [["x"]]}', RuntimeError),
        ('{"module": "builtins", "name": "UnicodeDecodeError", "arguments": ["x"]}', ProvenanceError),
    ],
)
def test_hostile_failures_become_harmless_errors(text: str, expected: type[Exception]) -> None:
    assert type(messages.rebuild_failure(text, PACKAGES)) is expected


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "3", '{"module": "provenance.none", "name": "x", "arguments": []}']
)
def test_failures_of_another_shape_are_broken_messages(text: str) -> None:
    with pytest.raises(BrokenMessageError):
        messages.rebuild_failure(text, PACKAGES)
