"""Signing identities on disk, and the development PKI that fills a folder with them.

In: a folder. Out: a `SigningIdentity` (private key and public chain). The folder of the development PKI holds

    DEVELOPMENT-ONLY.txt     says what this is
    signer.key.pem           ES256 claim-signing key (0600)
    signer.chain.pem         its leaf and issuing CA
    anchors.pem              root that claim signatures are trusted under
    tsa.key.pem              timestamp authority's key (0600)
    tsa.chain.pem            its leaf and issuing CA
    tsa-anchors.pem          root that timestamps are trusted under

The keys of the roots and issuing CAs are forgotten as soon as the leaves exist: nothing left on disk can
issue.

Serves: C2PA Certificate Policy (private keys are protected; production keys live elsewhere).
"""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provenance.errors import KeyMaterialError
from provenance.manifests import pki
from provenance.manifests.profile import TIME_STAMPING, is_development, load_chain

SIGNER_KEY, SIGNER_CHAIN, ANCHORS = "signer.key.pem", "signer.chain.pem", "anchors.pem"
TSA_KEY, TSA_CHAIN, TSA_ANCHORS = "tsa.key.pem", "tsa.chain.pem", "tsa-anchors.pem"
NOTICE = "DEVELOPMENT-ONLY.txt"
_NOTICE_TEXT = "Development keys. Anyone can make such keys; what they sign proves nothing to anyone else.\n"
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """A private key and the chain that vouches for it.

    Attributes:
        chain_pem: Leaf first, then issuing CAs; roots are left out.
        key: ES256 private key; never shown.
        development: Whether the leaf says it is for development only.
    """

    chain_pem: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    development: bool

    @classmethod
    def load(cls, directory: Path, *, production: bool = False) -> "SigningIdentity":
        """Load the claim-signing identity of a folder.

        Args:
            directory: Folder with `signer.key.pem` and `signer.chain.pem`.
            production: Refuse development keys and key files that others may read.

        Raises:
            KeyMaterialError: A file is missing or broken, key and leaf do not belong together, or the keys
                are not fit for production.
        """
        return cls._load(directory, SIGNER_KEY, SIGNER_CHAIN, production=production)

    @classmethod
    def load_timestamp_authority(cls, directory: Path) -> "SigningIdentity":
        """Load the timestamp authority's identity of a folder; raises as `load` does."""
        return cls._load(directory, TSA_KEY, TSA_CHAIN, production=False)

    @classmethod
    def _load(cls, directory: Path, key_name: str, chain_name: str, *, production: bool) -> "SigningIdentity":
        chain_pem = read_text(directory / chain_name)
        leaf = load_chain(chain_pem)[0]
        if production:
            _require_production(directory / key_name, development=is_development(leaf))
        key = _load_key(directory / key_name)
        if key.public_key() != leaf.public_key():
            raise KeyMaterialError(f"`{key_name}` does not belong to the leaf in `{chain_name}`")
        return cls(chain_pem=chain_pem, key=key, development=is_development(leaf))


def init_development_pki(directory: Path, now: datetime) -> None:
    """Fill an empty or new folder with a fresh development PKI.

    Raises:
        KeyMaterialError: The folder already holds any of the files; nothing is overwritten.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = _development_files(now)
    present = [name for name in files if (directory / name).exists()]
    if present:
        raise KeyMaterialError(f"refusing to overwrite `{present[0]}`; choose an empty folder")
    for name, text in files.items():
        write_new(directory / name, text, _PRIVATE if name.endswith(".key.pem") else _PUBLIC)


def _development_files(now: datetime) -> dict[str, str]:
    root = pki.issue_root("Development Claim Root", now)
    issuing = pki.issue_authority("Development Claim Issuing CA", root, pki.SIGNING_PURPOSES, now)
    signer = pki.issue_leaf("Development Claim Signer", issuing, now)
    tsa_root = pki.issue_root("Development Timestamp Root", now)
    tsa_issuing = pki.issue_authority("Development Timestamp Issuing CA", tsa_root, (TIME_STAMPING,), now)
    tsa = pki.issue_leaf("Development Timestamp Authority", tsa_issuing, now, pki.timestamp_profile())
    return {
        NOTICE: _NOTICE_TEXT,
        SIGNER_KEY: signer.key_pem(),
        SIGNER_CHAIN: signer.certificate_pem() + issuing.certificate_pem(),
        ANCHORS: root.certificate_pem(),
        TSA_KEY: tsa.key_pem(),
        TSA_CHAIN: tsa.certificate_pem() + tsa_issuing.certificate_pem(),
        TSA_ANCHORS: tsa_root.certificate_pem(),
    }


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that must not exist yet, with its final permissions from the first byte.

    Raises:
        KeyMaterialError: It exists, or could not be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError as error:
        raise KeyMaterialError(f"`{path.name}` could not be written") from error


def read_text(path: Path) -> str:
    """Read a key or certificate file.

    Raises:
        KeyMaterialError: It is missing or unreadable.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMaterialError(f"`{path.name}` is missing or unreadable") from error


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_text(path).encode(), None)
    except (ValueError, TypeError) as error:
        raise KeyMaterialError(f"`{path.name}` is not an unencrypted PKCS#8 key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyMaterialError(f"`{path.name}` is not a P-256 key")
    return key


def _require_production(key_path: Path, *, development: bool) -> None:
    if development:
        raise KeyMaterialError("development keys are refused in production")
    try:
        mode = key_path.stat().st_mode
    except OSError as error:
        raise KeyMaterialError(f"`{key_path.name}` is missing or unreadable") from error
    if mode & 0o077:
        raise KeyMaterialError(f"`{key_path.name}` may be read by others; make it 0600")
