"""Runs model files: TFLite through OpenCV, ONNX through onnxruntime. Loaded once, safe in threads.

In: a verified path and float32 arrays. Out: float32 arrays.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from consent_service.biometrics.arrays import Floats

T = TypeVar("T")

_ONNX_THREADS: Final = 1  # jobs run side by side; one model must not take the whole machine
_LOG_ERRORS_ONLY: Final = 3


class Lazy(Generic[T]):
    """A value made on first use, exactly once, whichever thread asks first."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        """Return the value, making it if need be; an error leaves it unmade."""
        with self._guard:
            if self._value is None:
                self._value = self._make()
            return self._value


class ImageNetwork:
    """A TFLite network over one image.

    OpenCV's classic engine gives the same numbers as the TensorFlow Lite interpreter (largest difference
    1e-3 on raw outputs of the order of 100) and spares the service a second runtime; its newer engine loses
    outputs.

    Args:
        path: Verified `.tflite` file.
        outputs: Names of the wanted output layers.
    """

    def __init__(self, path: Path, outputs: tuple[str, ...]) -> None:
        self._network = cv2.dnn.readNetFromTFLite(str(path), cv2.dnn.ENGINE_CLASSIC)
        self._outputs = outputs
        self._guard = threading.Lock()  # a network keeps its activations, so one image at a time

    def run(self, image: Floats) -> tuple[Floats, ...]:
        """Return the wanted outputs for one image.

        Args:
            image: `(height, width, 3) float32 RGB`, scaled as the network was trained.
        """
        blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        with self._guard:
            self._network.setInput(blob)
            results = self._network.forward(self._outputs)
            return tuple(np.array(result, np.float32) for result in results)


class OnnxModel:
    """An ONNX model on the processor; a session may run in several threads at once."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _ONNX_THREADS
        options.inter_op_num_threads = _ONNX_THREADS
        options.log_severity_level = _LOG_ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[Floats]:
        """Return all outputs in the order the model declares them."""
        results: list[Floats] = self._session.run(None, dict(inputs))
        return results
