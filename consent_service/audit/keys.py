"""The log's Ed25519 signing key: made once by `consent-service init`, wrapped by the master key on disk.

In: the keys folder and the master key. Out: the private key in memory only.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_service.kernel.errors import ConflictError, UnavailableError
from consent_service.vault.keys import KeyEncryption, open_secret

AUDIT_KEY_FILE: Final = "audit.key"
_CONTEXT: Final = b"audit-signing-key"


def create_signing_key(directory: Path, keys: KeyEncryption) -> Ed25519PrivateKey:
    """Make the log's key and keep it wrapped in `directory` (mode 0600).

    Raises:
        ConflictError: There is one already; the log's identity must not change silently.
    """
    key = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(directory / AUDIT_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConflictError("audit_key_exists", "there is an audit key already") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(keys.wrap(key.private_bytes_raw(), _CONTEXT))
        file.flush()
        os.fsync(file.fileno())
    return key


def load_signing_key(directory: Path, keys: KeyEncryption) -> Ed25519PrivateKey:
    """Read the log's key.

    Raises:
        UnavailableError: It is absent or does not open with this master key.
    """
    with suppress(OSError):
        wrapped = (directory / AUDIT_KEY_FILE).read_bytes()
        return Ed25519PrivateKey.from_private_bytes(open_secret(keys, wrapped, _CONTEXT))
    raise UnavailableError("audit_key_missing", "the audit key cannot be read; run `consent-service init`")
