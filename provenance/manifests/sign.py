"""Signs a file: writes the manifest into a copy of it, whole or not at all.

In: a media file of our own making, a `ClaimRequest`, a `Signer` and perhaps a timestamp authority. Out: the
signed file at its destination and a `SignedManifest`. The output is written beside the destination, synced
and renamed, so that a failed or killed signing leaves nothing behind. Whether a timestamp is required is the
caller's policy: with a `timestamp_url` it is, without one there is none.

Serves: C2PA 2.4 clauses 10 and 13; RFC 3161 for the timestamp.
"""

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import c2pa

from provenance.errors import (
    EmptyMediaError,
    MalformedMediaError,
    SignerUnavailableError,
    SigningError,
    StorageFullError,
    TimestampUnavailableError,
    UnsupportedMediaError,
)
from provenance.manifests.claim import THUMBNAIL_NAME, ClaimRequest, define, parent_label
from provenance.manifests.containers import media_type, sync_directory
from provenance.manifests.jumbf import active_label
from provenance.manifests.profile import require_fit_to_sign
from provenance.manifests.read import carries_manifest
from provenance.manifests.signer import Signer
from provenance.manifests.trust import OFFLINE, TrustPolicy
from provenance.media import run_sandboxed

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """What signing gave.

    Attributes:
        manifest_id: URN of the manifest; its identity wherever the bytes go.
        manifest: The manifest store, for the repository that recovers it.
        instance_id: Instance identifier of the signed file.
    """

    manifest_id: str
    manifest: bytes = field(repr=False)
    instance_id: str


def sign_file(
    source: Path,
    destination: Path,
    claim: ClaimRequest,
    *,
    signer: Signer,
    timestamp_url: str | None,
    trust: TrustPolicy | None = None,
) -> SignedManifest:
    """Sign `source` into `destination`.

    Args:
        source: Finished media (MP4, MOV, M4V, AVI or WAV); left as it is.
        destination: Where the signed copy goes; replaced atomically.
        claim: What the manifest states.
        signer: Where the key is.
        timestamp_url: RFC 3161 authority that must timestamp the signature; `None` for no timestamp.
        trust: Whom we believe, for the verdict on parents that the new manifest records.

    Raises:
        KeyMaterialError: The signer's certificate is outside its profile or its validity.
        SignerUnavailableError: The signer cannot be reached.
        TimestampUnavailableError: The timestamp authority cannot be reached or refused.
        UnsupportedMediaError: The source or a parent is of a container that holds no manifest.
        MalformedMediaError: The source or a parent cannot be parsed.
        StorageFullError: There was no room for the output.
        SigningError: The source already carries a manifest and no parent is named, or anything else kept it
            from being signed.
    """
    require_fit_to_sign(signer.certificate_chain_pem, datetime.now(UTC))
    kind = _supported_type(source)
    # Whatever the library parses here has been parsed in the sandbox before.
    if run_sandboxed(carries_manifest, source, kind) and not claim.parents:
        # Signing replaces a manifest; without a parent that would silently cut the file off from its history.
        raise SigningError("the source already carries a manifest; name it as a parent")
    definition = define(claim, kind)
    with _new_file(destination) as output:
        job = _Signing(signer, timestamp_url, trust, output)
        manifest = job.run(definition, claim, source, kind)
    return SignedManifest(_label(manifest), manifest, str(definition["instance_id"]))


def _label(manifest: bytes) -> str:
    try:
        return active_label(manifest)
    except ValueError as error:
        raise SigningError("the signed manifest cannot be read back") from error


def _supported_type(path: Path) -> str:
    if path.stat().st_size == 0:
        raise EmptyMediaError("the file to sign is empty")
    kind = media_type(path)
    if kind is None:
        raise UnsupportedMediaError("a manifest can be put into MP4, MOV, M4V, AVI and WAV files only")
    return kind


@contextmanager
def _new_file(destination: Path) -> Iterator["_Output"]:
    """A file beside `destination` that takes its place when the block ends well, and vanishes otherwise."""
    descriptor, name = tempfile.mkstemp(
        dir=destination.parent, prefix=f".{destination.name}.", suffix=".signing"
    )
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield _Output(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(destination)
        sync_directory(destination.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("there is no room for the signed file") from error
        raise SigningError("the signed file could not be written") from error
    finally:
        temporary.unlink(missing_ok=True)


class _Output:
    """A file that remembers why writing failed; the library only tells that it did."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None
        self.read, self.seek, self.tell, self.flush = file.read, file.seek, file.tell, file.flush

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise


class _Signing:
    """One signing: carries what went wrong in our callbacks past the library, which loses it."""

    def __init__(
        self, signer: Signer, timestamp_url: str | None, trust: TrustPolicy | None, output: _Output
    ) -> None:
        self._signer, self._timestamp_url = signer, timestamp_url
        self._trust, self._output = trust, output
        self._failure: Exception | None = None
        self._signed = False

    def run(self, definition: dict[str, object], claim: ClaimRequest, source: Path, kind: str) -> bytes:
        try:
            with (
                c2pa.Context.from_dict(self._settings()) as context,
                c2pa.Builder(definition, context) as builder,
            ):
                self._add_parts(builder, claim)
                with self._library_signer() as signer, source.open("rb") as file:
                    return bytes(builder.sign(signer, kind, file, self._output))
        except c2pa.C2paError as error:
            raise self._explain(error) from (self._failure or self._output.failure or error)

    def _add_parts(self, builder: c2pa.Builder, claim: ClaimRequest) -> None:
        if claim.thumbnail_jpeg is not None:
            builder.add_resource(THUMBNAIL_NAME, io.BytesIO(claim.thumbnail_jpeg))
        for index, parent in enumerate(claim.parents):
            _add_parent(builder, index, parent)

    def _library_signer(self) -> c2pa.Signer:
        algorithm = c2pa.C2paSigningAlg[self._signer.alg.upper()]
        chain = self._signer.certificate_chain_pem
        return c2pa.Signer.from_callback(self._sign, algorithm, chain, self._timestamp_url)

    def _sign(self, data: bytes) -> bytes:
        try:
            signature = self._signer.sign(data)
        except Exception as error:
            self._failure = error
            raise
        self._signed = True
        return signature

    def _settings(self) -> dict[str, object]:
        # Signing needs no network but the timestamp authority's host.
        host = urlsplit(self._timestamp_url).hostname if self._timestamp_url else None
        settings = OFFLINE if self._trust is None else self._trust.settings()
        return settings if host is None else settings | {"core": {"allowed_network_hosts": [host]}}

    def _explain(self, error: c2pa.C2paError) -> Exception:
        if self._output.failure is not None:
            return self._output.failure
        if isinstance(self._failure, SigningError):
            return SignerUnavailableError(str(self._failure))
        if self._failure is not None:
            return SigningError("the signer failed")
        if self._signed and self._timestamp_url and isinstance(error, c2pa.C2paError.Signature):
            # The claim is signed first and the signature timestamped next; only that step is left to fail.
            return TimestampUnavailableError("the timestamp authority cannot be reached or refused")
        if isinstance(error, c2pa.C2paError.NotSupported):
            return UnsupportedMediaError("the library cannot put a manifest into this container")
        return SigningError("the manifest could not be signed")


def _add_parent(builder: c2pa.Builder, index: int, parent: Path) -> None:
    name = parent_label(index)
    relation = "parentOf" if index == 0 else "componentOf"
    ingredient = {
        "title": f"ingredient {index + 1}",
        "relationship": relation,
        "label": name,
        "instance_id": name,
    }
    kind = _supported_type(parent)
    run_sandboxed(carries_manifest, parent, kind)
    try:
        with parent.open("rb") as file:
            builder.add_ingredient(ingredient, kind, file)
    except c2pa.C2paError as error:
        raise MalformedMediaError("a parent cannot be read as an ingredient") from error
