"""The master key that wraps every other secret: a port with a local file behind it.

In: a key or secret and the context it belongs to. Out: its wrapped form, which opens only in that context.
A key management service stands in by implementing `KeyEncryption`.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from consent_service.kernel.errors import ConflictError, UnavailableError
from consent_service.vault.envelope import KEY_BYTES, UnreadableError, seal, unseal

MASTER_KEY_FILE: Final = "master.key"
_GROUP_AND_OTHERS: Final = 0o077


class KeyEncryption(Protocol):
    """Wraps keys under one that never leaves its keeper."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key or secret for storage."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what `wrap` was given.

        Raises:
            UnreadableError: It does not open with this master key in this context.
            UnavailableError: The keeper of the master key cannot be reached.
        """
        ...


class LocalMasterKey:
    """A master key in a file only its owner may read. Its value appears in no repr and no error."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise UnavailableError("master_key_broken", "the master key has the wrong length")
        self._key = key

    def __repr__(self) -> str:
        return "LocalMasterKey()"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key or secret for storage."""
        return seal(self._key, key, b"consent-master\x00" + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what `wrap` was given; raises UnreadableError when it does not open."""
        return unseal(self._key, wrapped, b"consent-master\x00" + context)

    @classmethod
    def create(cls, directory: Path) -> "LocalMasterKey":
        """Make a new master key file (mode 0600) in `directory` (made 0700 when absent).

        Raises:
            ConflictError: There is one already; replacing it would erase everything sealed under it.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = os.urandom(KEY_BYTES)
        path = directory / MASTER_KEY_FILE
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConflictError("master_key_exists", "there is a master key already") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(directory)
        return cls(key)

    @classmethod
    def load(cls, directory: Path) -> "LocalMasterKey":
        """Read the master key file.

        Raises:
            UnavailableError: It is absent, unreadable, of the wrong length, or readable by others.
        """
        path = directory / MASTER_KEY_FILE
        try:
            mode, key = path.stat().st_mode, path.read_bytes()
        except OSError:
            raise UnavailableError(
                "master_key_missing", "the master key cannot be read; run `consent-service init`"
            ) from None
        if mode & _GROUP_AND_OTHERS:
            raise UnavailableError(
                "master_key_exposed", "the master key file is readable by others; make it 0600"
            )
        return cls(key)


def open_secret(keys: KeyEncryption, wrapped: bytes, context: bytes) -> bytes:
    """Unwrap a stored service secret, with an error fit for an operator.

    Raises:
        UnavailableError: The master key in use is not the one it was wrapped under.
    """
    with suppress(UnreadableError):
        return keys.unwrap(wrapped, context)
    raise UnavailableError("master_key_mismatch", "a stored secret does not open with this master key")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
