"""Authenticated encryption of one value, bound to where it belongs.

In: a 32-byte key, plaintext, and the associated data that names owner and purpose. Out:
`version (1 byte) | nonce (12) | AES-256-GCM ciphertext and tag`. Moving a sealed value to another owner or
purpose makes it unreadable.
Source: NIST SP 800-38D; RFC 5869 (HKDF) for subkeys; RFC 2104 (HMAC) for commitments.
"""

import hmac
import os
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


class UnreadableError(Exception):
    """The sealed value does not open: wrong key, wrong place, or altered. Says nothing more on purpose."""


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt `plaintext` so that it opens only with this key and this associated data."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        UnreadableError: The value does not authenticate.
    """
    if sealed[:1] != _VERSION:
        raise UnreadableError
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, associated)
    except (InvalidTag, ValueError):
        raise UnreadableError from None


def subkey(key: bytes, label: str) -> bytes:
    """Derive the 32-byte key for one use, so that no key serves two algorithms."""
    return HKDFExpand(hashes.SHA256(), KEY_BYTES, b"consent-vault/" + label.encode()).derive(key)


def commit(key: bytes, data: bytes) -> str:
    """Return the hex HMAC-SHA256 of `data`: meaningless to anyone without the key."""
    return hmac.new(key, data, sha256).hexdigest()


def bind(*parts: bytes) -> bytes:
    """Join parts unambiguously into associated data: each is preceded by its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
