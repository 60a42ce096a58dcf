"""Where manifests are kept so that a mark can lead back to them.

In: a manifest with its watermark identifier and fingerprint. Out: the manifests stored under an identifier,
or under the first five bytes of one (all that sound can carry). `ManifestRepository` is what `verify` needs;
a folder implements it here, a service would over its database.

Serves: C2PA Soft Binding Resolution API 2.4 (`/matches/byBinding`, `/matches/byContent`, `/manifests`).
"""

import base64
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from provenance.errors import ProvenanceError, StorageFullError
from provenance.softbinding.assertion import WATERMARK_BYTES
from provenance.softbinding.fingerprint import DIFFERENT_FROM_BITS, Fingerprint

PREFIX_BYTES = 5


class RepositoryError(ProvenanceError):
    """The manifest repository cannot be read or written."""

    code = "repository_unusable"


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest kept apart from its file.

    Attributes:
        manifest_id: URN.
        manifest: The manifest store's bytes.
        payload: The 8-byte identifier its file was marked with; `None` for an unmarked file.
        fingerprint: Serialised fingerprint of the picture that was signed.
    """

    manifest_id: str
    manifest: bytes = field(repr=False)
    payload: bytes | None
    fingerprint: bytes | None = field(default=None, repr=False)


class ManifestRepository(Protocol):
    """Finds manifests by watermark."""

    def find_by_watermark(self, payload: bytes) -> tuple[StoredManifest, ...]:
        """All manifests stored under an identifier.

        Args:
            payload: 8 bytes, or the first 5 of them.
        """
        ...


@runtime_checkable
class FingerprintIndex(Protocol):
    """A repository that can also search by picture."""

    def find_by_fingerprint(self, fingerprint: Fingerprint, limit: int) -> tuple[StoredManifest, ...]:
        """The manifests whose picture is nearest, nearest first; unrelated ones are left out."""
        ...


class DirectoryRepository:
    """Keeps each manifest as one JSON file in a folder, named by identifier so that a prefix finds it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def store(self, stored: StoredManifest) -> None:
        """Keep a manifest; storing it again replaces it.

        Raises:
            StorageFullError: There was no room.
            RepositoryError: The folder cannot be written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            _write_whole(self._directory / _file_name(stored), _to_json(stored))
        except OSError as error:
            raise RepositoryError("the repository folder cannot be written") from error

    def find_by_watermark(self, payload: bytes) -> tuple[StoredManifest, ...]:
        """All manifests under an identifier or its prefix, in the order of their files' names.

        Raises:
            ValueError: The payload is neither an identifier nor a prefix.
            RepositoryError: A file is broken.
        """
        if len(payload) not in {PREFIX_BYTES, WATERMARK_BYTES}:
            raise ValueError(f"a payload has {WATERMARK_BYTES} bytes, or {PREFIX_BYTES} as a prefix")
        return tuple(_from_json(path) for path in sorted(self._directory.glob(f"{payload.hex()}*.json")))

    def find_by_fingerprint(self, fingerprint: Fingerprint, limit: int) -> tuple[StoredManifest, ...]:
        """Compare with every manifest in the folder; raises as `find_by_watermark` does."""
        scored = []
        for path in sorted(self._directory.glob("*.json")):
            stored = _from_json(path)
            distance = stored.fingerprint and fingerprint.distance(Fingerprint.decode(stored.fingerprint))
            if isinstance(distance, float) and distance < DIFFERENT_FROM_BITS:
                scored.append((distance, stored))
        return tuple(stored for _, stored in sorted(scored, key=lambda pair: pair[0])[:limit])


def _file_name(stored: StoredManifest) -> str:
    identity = hashlib.sha256(stored.manifest_id.encode()).hexdigest()
    return f"{stored.payload.hex() if stored.payload else 'unmarked'}-{identity[:32]}.json"


def _to_json(stored: StoredManifest) -> str:
    return json.dumps(
        {
            "manifest_id": stored.manifest_id,
            "manifest": base64.b64encode(stored.manifest).decode(),
            "payload": stored.payload and stored.payload.hex(),
            "fingerprint": stored.fingerprint and base64.b64encode(stored.fingerprint).decode(),
        }
    )


def _from_json(path: Path) -> StoredManifest:
    try:
        data = json.loads(path.read_text())
        return StoredManifest(
            manifest_id=str(data["manifest_id"]),
            manifest=base64.b64decode(data["manifest"]),
            payload=bytes.fromhex(data["payload"]) if data["payload"] else None,
            fingerprint=base64.b64decode(data["fingerprint"]) if data["fingerprint"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"`{path.name}` in the repository is broken") from error


def _write_whole(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StorageFullError("the manifest could not be stored") from error
    finally:
        temporary.unlink(missing_ok=True)
