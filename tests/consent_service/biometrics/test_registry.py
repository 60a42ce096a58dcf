"""The registry hands out verified files only, and says what to run otherwise."""

import hashlib
import shutil
from pathlib import Path

import pytest

from consent_service.biometrics.registry import ModelRegistry, file_sha256
from consent_service.kernel.errors import InvalidInputError, NotFoundError, UnavailableError


def test_missing_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="run `consent-service models pull`") as caught:
        ModelRegistry(tmp_path).path("face-mesh")
    assert caught.value.code == "model_missing"


def test_missing_studio_model_names_its_group(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="models pull --group studio"):
        ModelRegistry(tmp_path).path("studio-voice-joe")


def test_changed_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "face_landmark.tflite").write_bytes(b"something else")
    registry = ModelRegistry(tmp_path)
    with pytest.raises(UnavailableError) as caught:
        registry.path("face-mesh")
    assert caught.value.code == "model_broken"
    assert registry.state("face-mesh") == "broken"


def test_file_changed_after_it_was_verified_is_noticed(models: ModelRegistry, tmp_path: Path) -> None:
    copy = tmp_path / "face_landmark.tflite"
    shutil.copy(models.path("face-mesh"), copy)
    registry = ModelRegistry(tmp_path)
    assert registry.path("face-mesh") == copy
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(UnavailableError):
        registry.path("face-mesh")


def test_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        ModelRegistry(tmp_path).path("crystal-ball")


def test_operator_brings_an_own_model(tmp_path: Path) -> None:
    own = tmp_path / "own.tflite"
    own.write_bytes(b"weights of their own")
    override = tmp_path / "models.toml"
    override.write_text(f'[models.face-mesh]\nfile = "own.tflite"\nsha256 = "{file_sha256(own)}"\n')
    registry = ModelRegistry(tmp_path / "empty", override)
    assert registry.path("face-mesh") == own
    assert registry.overridden("face-mesh")
    assert not registry.overridden("face-template")


@pytest.mark.parametrize(
    "text",
    [
        '[models.crystal-ball]\nfile = "x"\nsha256 = "' + "0" * 64 + '"',
        '[models.face-mesh]\nfile = "x"',
        '[models.face-mesh]\nfile = "x"\nsha256 = "abc"',
        "[models",
    ],
)
def test_bad_override_is_refused(tmp_path: Path, text: str) -> None:
    override = tmp_path / "models.toml"
    override.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        ModelRegistry(tmp_path, override)
    assert caught.value.code == "models_override_invalid"


def test_conversion_is_verified_against_source_and_result(tmp_path: Path) -> None:
    (tmp_path / "resemblyzer.onnx").write_bytes(b"converted")
    registry = ModelRegistry(tmp_path)
    assert registry.state("voice-template") == "broken"  # nothing recorded where it came from
    registry.record_conversion("voice-template", hashlib.sha256(b"converted").hexdigest())
    assert registry.state("voice-template") == "verified"
    (tmp_path / "resemblyzer.onnx").write_bytes(b"tampered with")
    assert registry.state("voice-template") == "broken"


def test_conversion_of_another_source_is_stale(tmp_path: Path) -> None:
    (tmp_path / "resemblyzer.onnx").write_bytes(b"converted")
    registry = ModelRegistry(tmp_path)
    registry.record_conversion("voice-template", hashlib.sha256(b"converted").hexdigest())
    lock = tmp_path / "models.lock.json"
    lock.write_text(lock.read_text().replace("39373b86", "00000000"))
    assert registry.state("voice-template") == "broken"
