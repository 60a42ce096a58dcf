"""Turns a downloaded model into the one format the service runs: the GE2E speaker encoder into ONNX.

In: the bytes of `resemblyzer/pretrained.pt`. Out: the bytes of an ONNX model that takes
`mel (batch, frames, 40) float32` and gives `embedding (batch, 256) float32` of unit
length. Done once, when models are pulled.

Source: Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification", section 2;
ONNX operator LSTM-14.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from consent_service.biometrics.torch_checkpoint import read_checkpoint

_LAYERS: Final = 3
_HIDDEN: Final = 256
_MEL_BANDS: Final = 40
_OPSET: Final = 17
_IR_VERSION: Final = 8  # the oldest that knows this opset, so that older runtimes read it too


def speaker_encoder_to_onnx(checkpoint: bytes) -> bytes:
    """Convert the checkpoint of the GE2E speaker encoder to ONNX.

    Args:
        checkpoint: Bytes of `pretrained.pt`.

    Raises:
        UnavailableError: Code `model_broken`: the checkpoint is not the expected one.
    """
    weights = read_checkpoint(checkpoint)
    parts = [_lstm(weights, layer) for layer in range(_LAYERS)]
    nodes = [helper.make_node("Transpose", ["mel"], ["x0"], perm=[1, 0, 2])]
    nodes += [node for layer_nodes, _ in parts for node in layer_nodes]
    nodes += _head_nodes()
    constants = [constant for _, layer_constants in parts for constant in layer_constants]
    graph = helper.make_graph(
        nodes,
        "ge2e",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", "frames", _MEL_BANDS])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", _HIDDEN])],
        constants + _head_constants(weights),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _lstm(weights: Mapping[str, NDArray[Any]], layer: int) -> tuple[list[Any], list[Any]]:
    input_weights, state_weights, input_bias, state_bias = (
        _reorder_gates(weights[f"model_state.lstm.{name}_l{layer}"])
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    constants = [
        _constant(f"W{layer}", input_weights[None]),
        _constant(f"R{layer}", state_weights[None]),
        _constant(f"B{layer}", np.concatenate([input_bias, state_bias])[None]),
        numpy_helper.from_array(np.array([1], np.int64), f"direction_axis{layer}"),
    ]
    inputs = [f"x{layer}", f"W{layer}", f"R{layer}", f"B{layer}"]
    nodes = [
        helper.make_node("LSTM", inputs, [f"y{layer}", f"h{layer}"], hidden_size=_HIDDEN),
        helper.make_node("Squeeze", [f"y{layer}", f"direction_axis{layer}"], [f"x{layer + 1}"]),
    ]
    return nodes, constants


def _reorder_gates(array: NDArray[Any]) -> NDArray[Any]:
    """PyTorch stacks the gates input, forget, cell, output; ONNX wants input, output, forget, cell."""
    gate_input, gate_forget, gate_cell, gate_output = np.split(array, 4)
    return np.concatenate([gate_input, gate_output, gate_forget, gate_cell])


def _head_nodes() -> list[Any]:
    return [
        helper.make_node("Squeeze", [f"h{_LAYERS - 1}", "head_axis"], ["last_state"]),
        helper.make_node("Gemm", ["last_state", "LW", "LB"], ["projected"]),
        helper.make_node("Relu", ["projected"], ["rectified"]),
        helper.make_node("LpNormalization", ["rectified"], ["embedding"], axis=1, p=2),
    ]


def _head_constants(weights: Mapping[str, NDArray[Any]]) -> list[Any]:
    return [
        numpy_helper.from_array(np.array([0], np.int64), "head_axis"),
        _constant("LW", weights["model_state.linear.weight"].T),
        _constant("LB", weights["model_state.linear.bias"]),
    ]


def _constant(name: str, array: NDArray[Any]) -> Any:  # noqa: ANN401 - onnx ships no annotations
    return numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)


CONVERSIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"resemblyzer": speaker_encoder_to_onnx}
