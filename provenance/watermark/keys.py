"""Watermark keys: one secret per epoch, everything else derived from it; kept in one private file.

In: a directory. Out: a `KeyRing` whose highest epoch is active (it embeds) and whose other epochs are retired
(they only read). Layout, whitening and tag get independent keys, for picture and sound apart, so that giving
a detector one of them tells nothing about the others.

Source: RFC 5869 (HKDF), NIST SP 800-57 part 1 clause 5.3.5 (originator and recipient usage periods differ).
"""

import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provenance.errors import KeyMaterialError

SECRET_BYTES: Final = 32
KEY_FILE: Final = "watermark-keys.json"
_SALT: Final = b"consent-provenance/watermark/1"
_OTHERS_MAY: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class WatermarkKey:
    """The secret of one key epoch.

    Attributes:
        epoch: Positive number, one higher at each rotation.
        secret: 32 random bytes; never shown, logged or part of an error.
    """

    epoch: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.epoch < 1 or len(self.secret) != SECRET_BYTES:
            raise KeyMaterialError(f"a watermark key needs a positive epoch and {SECRET_BYTES} secret bytes")

    @classmethod
    def generate(cls, epoch: int = 1) -> Self:
        """Return a fresh key."""
        return cls(epoch, secrets.token_bytes(SECRET_BYTES))

    def derive(self, label: str) -> bytes:
        """Return the 32-byte key for one purpose, such as `video layout`."""
        info = f"{label}/{self.epoch}".encode()
        return HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=info).derive(self.secret)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All epochs whose marks can still be read.

    Attributes:
        keys: At least one key, epochs all different; held in ascending order.
    """

    keys: tuple[WatermarkKey, ...]

    def __post_init__(self) -> None:
        if not self.keys or len({key.epoch for key in self.keys}) != len(self.keys):
            raise KeyMaterialError("a key ring needs at least one key, each with its own epoch")
        object.__setattr__(self, "keys", tuple(sorted(self.keys, key=lambda key: key.epoch)))

    @property
    def active(self) -> WatermarkKey:
        """The key new marks are made with."""
        return self.keys[-1]

    @property
    def retired(self) -> tuple[WatermarkKey, ...]:
        """Keys that only read marks made before a rotation."""
        return self.keys[:-1]

    def rotated(self) -> Self:
        """Return this ring with a fresh active key; the former one is retired."""
        return type(self)((*self.keys, WatermarkKey.generate(self.active.epoch + 1)))

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Make a ring of one fresh key and store it in `directory`.

        Raises:
            KeyMaterialError: A ring is already there (it is never overwritten), or it cannot be written.
        """
        ring = cls((WatermarkKey.generate(),))
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _write_private(directory / KEY_FILE, ring._encoded())
        except FileExistsError:
            raise KeyMaterialError("watermark keys are already there and are never overwritten") from None
        except OSError as error:
            raise KeyMaterialError("the watermark keys cannot be written") from error
        return ring

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the ring stored in `directory`.

        Raises:
            KeyMaterialError: The file is missing, open to other users, or not a key ring.
        """
        path = directory / KEY_FILE
        try:
            if path.stat().st_mode & _OTHERS_MAY:
                raise KeyMaterialError("the watermark key file is open to other users; set its mode to 0600")
            return cls._decoded(path.read_bytes())
        except OSError as error:
            raise KeyMaterialError("the watermark keys cannot be read") from error
        except (ValueError, KeyError, TypeError):
            # `from None`: the cause would carry parts of the secret file into logs.
            raise KeyMaterialError("the watermark key file is not a key ring") from None

    def save(self, directory: Path) -> None:
        """Replace the stored ring by this one, in one step.

        Raises:
            KeyMaterialError: The file cannot be written.
        """
        scratch = directory / f".{KEY_FILE}.{secrets.token_hex(8)}"
        try:
            _write_private(scratch, self._encoded())
            scratch.replace(directory / KEY_FILE)
        except OSError as error:
            raise KeyMaterialError("the watermark keys cannot be written") from error

    def _encoded(self) -> bytes:
        keys = [{"epoch": key.epoch, "secret": key.secret.hex()} for key in self.keys]
        return json.dumps({"version": 1, "keys": keys}, indent=1).encode()

    @classmethod
    def _decoded(cls, data: bytes) -> Self:
        document = json.loads(data)
        if document["version"] != 1:
            raise KeyMaterialError("the watermark key file is of an unknown version")
        entries = document["keys"]
        return cls(
            tuple(WatermarkKey(int(entry["epoch"]), bytes.fromhex(entry["secret"])) for entry in entries)
        )


def _write_private(path: Path, data: bytes) -> None:
    """Create `path` readable by its owner only, and make it durable; it must not exist."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
