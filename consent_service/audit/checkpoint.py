"""Signed notes: the log's statement "at this size my root was this", in a form the Go tools also read.

In: an Ed25519 key and a tree head. Out: text, or a verified `Checkpoint`. A witness's cosignature is one more
signature line under the same text and is kept, unread, by verification.
Source: C2SP signed-note and tlog-checkpoint.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from consent_service.audit.domain import HASH_BYTES

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_BODY_LINES: Final = 3
_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: `size` leaves of the log `origin` hash to `root`."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.root) != HASH_BYTES or not self.origin or "\n" in self.origin:
            raise ValueError("not a tree head")

    def body(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A log's name and public key, as strangers keep it."""

    name: str
    public_key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """The first four bytes that name the key in a signature line."""
        return _key_id(self.name, self.public_key)

    def __str__(self) -> str:
        """Return the verifier key string `name+keyid+base64`."""
        encoded = base64.b64encode(_ED25519 + _raw(self.public_key)).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint as a signed note under the log's key."""
    body = checkpoint.body()
    signature = _key_id(checkpoint.origin, key.public_key()) + key.sign(body.encode())
    return f"{body}\n{_DASH}{checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def verify(note: str, verifier: Verifier) -> Checkpoint | None:
    """Return the checkpoint when the note carries a valid signature of this log; otherwise None."""
    body, separator, signatures = note.partition("\n\n")
    lines = body.split("\n")
    if not separator or len(lines) < _BODY_LINES or lines[0] != verifier.name:
        return None
    if not any(_signed(line, f"{body}\n".encode(), verifier) for line in signatures.split("\n")):
        return None
    return _parse(lines)


def _parse(lines: list[str]) -> Checkpoint | None:
    origin, size, root = lines[:_BODY_LINES]
    if not (size.isascii() and size.isdecimal()) or str(int(size)) != size:
        return None
    try:
        return Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error):
        return None


def _signed(line: str, body: bytes, verifier: Verifier) -> bool:
    if not line.startswith(_DASH):
        return False
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    if name != verifier.name or signature[:_KEY_ID_BYTES] != verifier.key_id:
        return False
    try:
        verifier.public_key.verify(signature[_KEY_ID_BYTES:], body)
    except InvalidSignature:
        return False
    return True


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + _raw(key)).digest()[:_KEY_ID_BYTES]


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
