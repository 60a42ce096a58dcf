"""Keys that sign grants and status lists: P-256, named by their RFC 7638 thumbprint, published ahead of use.

In: a folder only the service may read. Out: `SigningKeys`, its JWKS, and `public_keys` for whoever verifies.
There is always a next key in the JWKS, so that a rotation never meets a verifier who has not seen the new
key; a retired key loses its private half and stays published for the tokens it signed.

Sources: RFC 7517 (JWK), RFC 7518 section 6.2, RFC 7638 (thumbprint).
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from consent_service.grants.encoding import decode_base64url, encode_base64url
from consent_service.kernel.errors import ConflictError, InvalidInputError, UnavailableError

ALGORITHM: Final = "ES256"
FOLDER: Final = "grants"
_RING: Final = "ring.json"
_COORDINATE: Final = 32
_MOST_KEYS: Final = 64

PublicKeys = Mapping[str, ec.EllipticCurvePublicKey]


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The active private key and the public keys to publish with it.

    Attributes:
        kid: Thumbprint of the active key.
        jwks: JWK Set: active, next, retired.
    """

    kid: str
    private_key: ec.EllipticCurvePrivateKey
    jwks: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"SigningKeys({self.kid!r})"

    @classmethod
    def create(cls, keys_dir: Path) -> "SigningKeys":
        """Make the active and the next key below `keys_dir` (files 0600, folder 0700).

        Raises:
            ConflictError: Code `grant_keys_exist`; keys are there already.
        """
        folder, unfinished = keys_dir / FOLDER, keys_dir / f"{FOLDER}.new"
        if folder.exists():
            raise ConflictError("grant_keys_exist", "there are grant signing keys already")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        active, upcoming = _new_key(unfinished), _new_key(unfinished)
        ring = {"active": active["kid"], "next": upcoming["kid"], "keys": [active, upcoming]}
        _write(unfinished / _RING, json.dumps(ring).encode())
        unfinished.rename(folder)  # a crash before this line leaves no keys, after it all of them
        _sync(keys_dir)
        return cls.load(keys_dir)

    @classmethod
    def load(cls, keys_dir: Path) -> "SigningKeys":
        """Read the ring and its active private key.

        Raises:
            UnavailableError: Code `grant_keys_missing` or `grant_keys_broken`.
        """
        folder = keys_dir / FOLDER
        ring = _read_ring(folder)
        try:
            private_key = load_pem_private_key((folder / f"{ring['active']}.pem").read_bytes(), None)
        except (OSError, ValueError):
            raise _broken("the active key cannot be read") from None
        if not isinstance(private_key, ec.EllipticCurvePrivateKey):
            raise _broken("the active key is not of the right kind")
        if _jwk(private_key.public_key())["kid"] != ring["active"]:
            raise _broken("the active key is not the one the ring names")
        return cls(ring["active"], private_key, {"keys": ring["keys"]})

    @classmethod
    def rotate(cls, keys_dir: Path) -> "SigningKeys":
        """Promote the next key, publish a new next one, destroy the private half of the old one.

        The ring is replaced in one rename: a crash leaves the old ring or the new one.

        Raises:
            UnavailableError: The keys cannot be read.
        """
        folder = keys_dir / FOLDER
        ring = _read_ring(folder)
        upcoming = _new_key(folder)
        turned = {"active": ring["next"], "next": upcoming["kid"], "keys": [*ring["keys"], upcoming]}
        _write(folder / _RING, json.dumps(turned).encode())
        (folder / f"{ring['active']}.pem").unlink(missing_ok=True)
        return cls.load(keys_dir)


def public_keys(jwks: Mapping[str, Any]) -> PublicKeys:
    """Return the keys of a JWK Set by kid; anything but clean P-256 signing keys is refused.

    Raises:
        InvalidInputError: Code `jwks_invalid`.
    """
    entries = jwks.get("keys")
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise InvalidInputError("jwks_invalid", "the key set has no list of keys, or too many")
    keys = [_public_key(entry) for entry in entries]
    return {_jwk(key)["kid"]: key for key in keys}


def _public_key(jwk: object) -> ec.EllipticCurvePublicKey:
    """Rebuild one key; its kid must be its own thumbprint."""
    refused = InvalidInputError("jwks_invalid", "the key set holds a key that cannot be used")
    if not isinstance(jwk, Mapping) or "d" in jwk:
        raise refused
    try:
        numbers = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), ec.SECP256R1())
        key = numbers.public_key()
    except (KeyError, TypeError, ValueError):
        raise refused from None
    required = ("kty", "crv", "kid")
    expected = _jwk(key)
    if any(name not in jwk for name in required) or any(jwk.get(n, v) != v for n, v in expected.items()):
        raise refused
    return key


def _integer(text: str) -> int:
    raw = decode_base64url(text)
    if len(raw) != _COORDINATE:
        raise ValueError
    return int.from_bytes(raw, "big")


def _jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return the public JWK with its thumbprint as kid."""
    numbers = key.public_numbers()
    required = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    digest = sha256(json.dumps(required, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = encode_base64url(digest)
    return {**required, "kid": kid, "alg": ALGORITHM, "use": "sig"}


def _coordinate(number: int) -> str:
    return encode_base64url(number.to_bytes(_COORDINATE, "big"))


def _new_key(folder: Path) -> dict[str, str]:
    """Make a private key file and return the public JWK."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = _jwk(key.public_key())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(folder / f"{jwk['kid']}.pem", pem)
    return jwk


def _read_ring(folder: Path) -> dict[str, Any]:
    try:
        ring = json.loads((folder / _RING).read_bytes())
        public_keys({"keys": ring["keys"]})
        if not {ring["active"], ring["next"]} <= {key["kid"] for key in ring["keys"]}:
            raise _broken("the ring names keys it does not hold")
    except FileNotFoundError:
        raise UnavailableError(
            "grant_keys_missing", "there are no grant signing keys; run `consent-service init`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, InvalidInputError):
        raise _broken("the ring of keys cannot be read") from None
    return dict(ring)


def _write(path: Path, content: bytes) -> None:
    """Write a file only its owner may read, complete or not at all."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _broken(detail: str) -> UnavailableError:
    return UnavailableError("grant_keys_broken", f"the grant signing keys cannot be used: {detail}")
