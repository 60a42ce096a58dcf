"""Reads the tensors of a PyTorch checkpoint without PyTorch and without trusting the pickle inside.

In: the bytes of a checkpoint in the legacy stream format (before PyTorch 1.6). Out: named arrays. The
unpickler knows three harmless names; any other name in the file ends the reading.

Source: `torch.serialization._legacy_load`; Python documentation, `pickle`, "Restricting Globals".
"""

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from consent_service.kernel.errors import UnavailableError

_HEADER_PICKLES: Final = 3  # magic number, protocol version, description of the writing machine
_STORAGES: Final = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """An unpickler that can name storages, tensors and ordered dictionaries, and nothing else."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, np.dtype[Any]] = {}

    def find_class(self, module_name: str, global_name: str, /) -> Any:  # noqa: ANN401 - pickle's own signature
        if module_name == "torch" and global_name in _STORAGES:
            return _STORAGES[global_name]
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError("a name that a checkpoint of plain tensors does not need")

    def persistent_load(self, pid: Any) -> str:  # noqa: ANN401 - pickle's own signature
        _, dtype, key, *_ = pid
        self.storages[key] = dtype
        return str(key)


def _rebuild_tensor(storage: str, offset: int, shape: Any, strides: Any, *_unused: Any) -> _Tensor:  # noqa: ANN401 - called by the pickle
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def read_checkpoint(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors of a legacy checkpoint by name, nested dictionaries joined by dots.

    Args:
        data: The whole file.

    Raises:
        UnavailableError: Code `model_broken`: not such a checkpoint, or it names anything but tensors.
    """
    stream = io.BytesIO(data)
    try:
        for _ in range(_HEADER_PICKLES):
            _Unpickler(stream).load()
        unpickler = _Unpickler(stream)
        tree = unpickler.load()
        storages = _read_storages(stream, unpickler.storages)
        return _flatten(tree, storages)
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UnavailableError(
            "model_broken", "the checkpoint holds more or less than plain tensors"
        ) from error


def _read_storages(stream: io.BytesIO, dtypes: dict[str, np.dtype[Any]]) -> dict[str, NDArray[Any]]:
    storages = {}
    for key in _Unpickler(stream).load():
        dtype = dtypes[key]
        count = int.from_bytes(stream.read(8), "little")
        storages[str(key)] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return storages


def _flatten(tree: Any, storages: dict[str, NDArray[Any]], prefix: str = "") -> dict[str, NDArray[Any]]:  # noqa: ANN401 - whatever was pickled
    found: dict[str, NDArray[Any]] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found.update(_flatten(value, storages, f"{prefix}{name}."))
        elif isinstance(value, _Tensor):
            found[f"{prefix}{name}"] = _view(value, storages[value.storage])
    return found


def _view(tensor: _Tensor, storage: NDArray[Any]) -> NDArray[Any]:
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if min((tensor.offset, *tensor.strides), default=0) < 0 or last >= storage.size:
        raise ValueError("a tensor reaches outside its storage")  # as_strided would read foreign memory
    strides = tuple(step * storage.itemsize for step in tensor.strides)
    return as_strided(storage[tensor.offset :], tensor.shape, strides).copy()
