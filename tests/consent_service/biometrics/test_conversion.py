"""The speaker encoder is read without trusting its pickle and computes the published equations."""

import pickle
from typing import Any

import numpy as np
import onnxruntime
import pytest

from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.torch_checkpoint import read_checkpoint
from consent_service.kernel.errors import UnavailableError


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("never reached",)


def test_checkpoint_that_names_a_function_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    data = b"".join(pickle.dumps(value) for value in (1, 2, 3)) + pickle.dumps(_Evil())
    with pytest.raises(UnavailableError) as caught:
        read_checkpoint(data)
    assert caught.value.code == "model_broken"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [b"", b"no pickle at all", pickle.dumps(1)])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UnavailableError):
        read_checkpoint(data)


def _checkpoint(length: int) -> bytes:
    """A legacy checkpoint of one storage of four numbers and a tensor of `length` numbers over it."""
    tree = (
        b"(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n"
        b"((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQ"  # the storage, by persistent id
        b"I0\n(I" + str(length).encode() + b"\nt(I1\nttRs."
    )
    header = b"".join(pickle.dumps(value) for value in (1, 2, 3))
    return (
        header + tree + pickle.dumps(["0"]) + (4).to_bytes(8, "little") + np.arange(4, dtype="<f4").tobytes()
    )


def test_reads_a_plain_tensor() -> None:
    assert read_checkpoint(_checkpoint(4))["w"].tolist() == [0, 1, 2, 3]


def test_tensor_reaching_outside_its_storage_is_refused() -> None:
    with pytest.raises(UnavailableError):
        read_checkpoint(_checkpoint(5))


def test_converted_encoder_gives_unit_embeddings(models: ModelRegistry) -> None:
    session = onnxruntime.InferenceSession(models.path("voice-template"), providers=["CPUExecutionProvider"])
    mel = np.random.default_rng(5).random((2, 160, 40)).astype(np.float32)
    (embedding,) = session.run(None, {"mel": mel})
    assert embedding.shape == (2, 256)
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
