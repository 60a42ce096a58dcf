"""Turns results into plain trees and back, so that a hostile process can answer with values and nothing else.

In: numbers, text, bytes, containers, numpy arrays, paths, times, fractions, enums, dataclasses and named
tuples. Out: a tree that JSON can hold, with bytes and arrays beside it as raw buffers; and the same value
again. Unlike pickle, reading a tree calls no function but the constructors of our own value classes, which
check their fields.
"""

import dataclasses
import enum
import importlib
import math
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Tree: TypeAlias = Any  # None, bool, int, float, str, or a list that begins with a tag
Buffer: TypeAlias = bytes | bytearray | memoryview

_NUMERIC_KINDS = "biufc"
_SCALARS = (bool, int, float, str)


class ForeignValueError(TypeError):
    """A value of a kind that does not pass, or a tree that is not one of ours."""


class Packer:
    """Turns one value into a tree; collects its buffers.

    Attributes:
        buffers: Raw bytes the tree points to.
    """

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []

    def pack(self, value: object) -> Tree:
        """Turn a value into a tree.

        Raises:
            ForeignValueError: If it is of a kind that does not pass.
        """
        if value is None or type(value) in _SCALARS:
            return value
        if isinstance(value, np.ndarray | np.generic):
            return self._pack_array(np.asarray(value), "array" if isinstance(value, np.ndarray) else "number")
        if isinstance(value, enum.Enum):
            return ["enum", *_name(value), value.name]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value) if field.init]
            return ["value", *_name(value), {name: self.pack(getattr(value, name)) for name in fields}]
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return ["value", *_name(value), {name: self.pack(item) for name, item in value._asdict().items()}]
        return self._pack_builtin(value)

    def _pack_array(self, array: NDArray[Any], tag: str) -> Tree:
        if array.dtype.kind not in _NUMERIC_KINDS:
            raise ForeignValueError(f"an array of `{array.dtype}` does not pass")
        self.buffers.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return [tag, array.dtype.str, list(array.shape), len(self.buffers) - 1]

    def _pack_builtin(self, value: object) -> Tree:
        for kind, tag in (list, "list"), (tuple, "tuple"), (set, "set"), (frozenset, "frozenset"):
            if type(value) is kind:
                return [tag, [self.pack(item) for item in value]]
        match value:
            case dict():
                return ["dict", [[self.pack(key), self.pack(item)] for key, item in value.items()]]
            case bytes() | bytearray():
                self.buffers.append(value)
                return ["bytes", len(self.buffers) - 1]
            case Path():
                return ["path", str(value)]
            case Fraction():
                return ["fraction", value.numerator, value.denominator]
            case datetime():
                return ["time", value.isoformat()]
        raise ForeignValueError(f"a value of `{type(value).__qualname__}` does not pass")


def _name(value: object) -> tuple[str, str]:
    return type(value).__module__, type(value).__qualname__


def _is_value_class(found: type) -> bool:
    named_tuple = issubclass(found, tuple) and hasattr(found, "_asdict")
    return dataclasses.is_dataclass(found) or issubclass(found, enum.Enum) or named_tuple


class Unpacker:
    """Turns an untrusted tree into a value.

    Args:
        buffers: Raw bytes the tree points to.
        packages: Top-level packages whose value classes may appear.
    """

    def __init__(self, buffers: list[bytearray], packages: frozenset[str]) -> None:
        self._buffers = buffers
        self._packages = packages
        self._readers: dict[str, Callable[..., object]] = {
            "list": self._items,
            "tuple": lambda items: tuple(self._items(items)),
            "set": lambda items: set(self._items(items)),
            "frozenset": lambda items: frozenset(self._items(items)),
            "dict": lambda pairs: {self._unpack(key): self._unpack(item) for key, item in pairs},
            "bytes": lambda index: bytes(self._buffers[index]),
            "path": lambda text: Path(str(text)),
            "fraction": lambda top, bottom: Fraction(int(top), int(bottom)),
            "time": lambda text: datetime.fromisoformat(str(text)),
            "array": self._array,
            "number": lambda dtype, _, index: self._array(dtype, [], index)[()],
            "enum": self._member,
            "value": self._value,
        }

    def unpack(self, tree: Tree) -> object:
        """Turn a tree into a value.

        Raises:
            ForeignValueError: If the tree is not one of ours, or a value's constructor refuses its fields.
        """
        try:
            return self._unpack(tree)
        except ForeignValueError:
            raise
        except Exception as error:
            raise ForeignValueError("a value cannot be read") from error

    def _unpack(self, tree: Tree) -> object:
        if tree is None or type(tree) in _SCALARS:
            return tree
        if type(tree) is not list or not tree or tree[0] not in self._readers:
            raise ForeignValueError("a value of an unknown kind")
        return self._readers[tree[0]](*tree[1:])

    def _items(self, items: list[Tree]) -> list[object]:
        return [self._unpack(item) for item in items]

    def _array(self, dtype: str, shape: list[int], index: int) -> NDArray[Any]:
        kind = np.dtype(str(dtype))
        if kind.kind not in _NUMERIC_KINDS or math.prod(shape) * kind.itemsize != len(self._buffers[index]):
            raise ForeignValueError("an array that is not what it says")
        return np.frombuffer(self._buffers[index], kind).reshape(shape)

    def _class(self, module: str, name: str) -> Any:  # noqa: ANN401  # a class found by its name
        if str(module).partition(".")[0] not in self._packages or not str(name).isidentifier():
            raise ForeignValueError(f"a value of `{module}.{name}` does not pass")
        found = getattr(importlib.import_module(module), name, None)
        if isinstance(found, type) and _is_value_class(found):
            return found
        raise ForeignValueError(f"a value of `{module}.{name}` does not pass")

    def _member(self, module: str, name: str, member: str) -> object:
        return self._class(module, name)[member]

    def _value(self, module: str, name: str, fields: dict[str, Tree]) -> object:
        return self._class(module, name)(**{key: self._unpack(item) for key, item in fields.items()})
