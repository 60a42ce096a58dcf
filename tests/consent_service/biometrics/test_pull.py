"""Pulling: real archives and the real pip, from a folder that stands for the package index."""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent_service.biometrics import pull as pulling
from consent_service.biometrics.cli import app
from consent_service.biometrics.registry import Archive, Model, ModelRegistry, file_sha256
from consent_service.kernel.errors import UnavailableError

CONTENT = b"weights" * 1000


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/model.bin", CONTENT)
        archive.writestr(
            "tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    source = Archive(name="tiny-model", version="1.0", sha256=file_sha256(wheel), size=wheel.stat().st_size)
    template = ModelRegistry(tmp_path / "models").models()[0]
    return replace(
        template, archive=source, member="tiny_model/model.bin", sha256=hashlib.sha256(CONTENT).hexdigest()
    )


def test_pulls_the_member_and_leaves_no_rest(model: Model, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    seen: list[tuple[str, int]] = []
    pulling.pull(registry, [model], lambda name, count: seen.append((name, count)))
    assert [p.name for p in registry.directory.iterdir()] == [model.file]
    assert (registry.directory / model.file).read_bytes() == CONTENT
    assert seen[-1] == ("tiny-model", model.archive.size)


def test_refuses_another_archive_than_the_pinned_one(model: Model, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    changed = replace(model, archive=replace(model.archive, sha256="0" * 64))
    with pytest.raises(UnavailableError) as caught:
        pulling.pull(registry, [changed])
    assert caught.value.code == "model_fetch_failed"
    assert list(registry.directory.iterdir()) == []


def test_refuses_another_member_than_the_pinned_one(model: Model, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    with pytest.raises(UnavailableError) as caught:
        pulling.pull(registry, [replace(model, sha256="0" * 64)])
    assert caught.value.code == "model_broken"
    with pytest.raises(UnavailableError, match="holds no"):
        pulling.pull(registry, [replace(model, member="tiny_model/other.bin")])
    assert list(registry.directory.iterdir()) == []


def test_unreachable_registry_is_said_plainly(model: Model, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    absent = replace(model, archive=replace(model.archive, version="2.0"))
    with pytest.raises(UnavailableError, match="could not fetch `tiny-model`") as caught:
        pulling.pull(registry, [absent])
    assert caught.value.code == "model_fetch_failed"


def test_what_is_there_is_not_fetched_again(models: ModelRegistry) -> None:
    assert pulling.missing(models, models.models(frozenset({"service"}))) == ()


def test_command_line_verifies_and_lists(
    models: ModelRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner = CliRunner()
    monkeypatch.setenv("CONSENT_MODELS_DIR", str(models.directory))
    assert runner.invoke(app, ["verify"]).exit_code == 0
    assert "face-mesh" in runner.invoke(app, ["list"]).output
    monkeypatch.setenv("CONSENT_MODELS_DIR", str(tmp_path))
    assert runner.invoke(app, ["verify"]).exit_code == 1
