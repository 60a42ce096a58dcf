"""Reads and validates the manifest of a file from anywhere, inside the sandbox.

In: a path (and, for a manifest that a repository recovered, its store). Out: a `ManifestReading`; a broken
manifest is a reading that says `malformed`, never an exception. The library runs in a separate confined
process, with its settings made there: no network, no fetch of a manifest URL named by the file, no OCSP;
revocation is therefore reported as unknown.

Serves: C2PA 2.x clause 15 (validation), clause 18.10 (soft binding) for recovered manifests.
"""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import c2pa

from provenance.errors import EmptyMediaError, MalformedMediaError
from provenance.manifests.containers import media_type, trailing_bytes
from provenance.manifests.reading import ManifestReading
from provenance.manifests.report import judge
from provenance.manifests.trust import OFFLINE, TrustPolicy
from provenance.media import DEFAULT_LIMITS, MediaLimits, run_sandboxed
from provenance.media.limits import check_file

_STORE_TYPE = "application/c2pa"
_REMOTE = "remote_manifest_not_fetched"


def read_file(path: Path, *, trust: TrustPolicy, limits: MediaLimits = DEFAULT_LIMITS) -> ManifestReading:
    """Read the manifest embedded in a file.

    Args:
        path: A media file from anywhere.
        trust: Whom we believe.
        limits: What the sandboxed reader may use.

    Raises:
        EmptyMediaError: The file has no bytes.
        MediaLimitError: The file is over a limit.
        DecoderCrashedError: The sandboxed reader died.
    """
    check_file(path, limits)
    return run_sandboxed(read_here, path, trust, None, limits=limits)


def read_recovered(
    path: Path, manifest: bytes, *, trust: TrustPolicy, limits: MediaLimits = DEFAULT_LIMITS
) -> ManifestReading:
    """Read a manifest kept outside the file against the file's content; raises as `read_file` does.

    Returns:
        A reading whose `claim_intact` says whether the manifest is as signed; for a re-encoded copy `intact`
        is false.
    """
    check_file(path, limits)
    return run_sandboxed(read_here, path, trust, manifest, limits=limits)


def read_here(path: Path, trust: TrustPolicy, manifest: bytes | None = None) -> ManifestReading:
    """Read in this process; only for the sandbox, or for files we made ourselves."""
    if path.stat().st_size == 0:
        raise EmptyMediaError("the file is empty")
    kind = media_type(path)
    if kind is None and manifest is None:
        return ManifestReading(present=False, reasons=("container_without_manifests",))
    if kind is None:
        # No container to hold it against: the claim is still validated, the content hash fails as it must.
        return _read(io.BytesIO(manifest or b""), _STORE_TYPE, trust, None)
    with path.open("rb") as file:
        return replace(_read(file, kind, trust, manifest), trailing_bytes=trailing_bytes(path))


def carries_manifest(path: Path, kind: str) -> bool:
    """Whether a file names or holds a manifest, valid or not; parses it without hashing the content.

    Raises:
        MalformedMediaError: The container or the manifest cannot be parsed.
    """
    settings = OFFLINE | {"verify": {"verify_after_reading": False, "remote_manifest_fetch": False}}
    try:
        with c2pa.Context.from_dict(settings) as context, path.open("rb") as file:
            c2pa.Reader(kind, file, context=context).close()
    except c2pa.C2paError as error:
        reading = _without_manifest(error)
        if reading.malformed:
            raise MalformedMediaError("the file cannot be parsed") from error
        return reading.reasons == (_REMOTE,)
    return True


def _read(source: BinaryIO, kind: str, trust: TrustPolicy, manifest: bytes | None) -> ManifestReading:
    try:
        with (
            c2pa.Context.from_dict(trust.settings()) as context,
            c2pa.Reader(kind, source, manifest_data=manifest, context=context) as reader,
        ):
            return _judged(reader, trust)
    except c2pa.C2paError as error:
        return _without_manifest(error)
    except (ValueError, TypeError, KeyError):
        return ManifestReading(present=True, malformed=True, reasons=("manifest_malformed",))


def _judged(reader: c2pa.Reader, trust: TrustPolicy) -> ManifestReading:
    text = reader.json()
    report = json.loads(text)
    store = io.BytesIO()
    reader.resource_to_stream(f"self#jumbf=/c2pa/{report['active_manifest']}", store)
    return replace(judge(report, store.getvalue(), trust, datetime.now(UTC)), json=text)


def _without_manifest(error: c2pa.C2paError) -> ManifestReading:
    if isinstance(error, c2pa.C2paError.ManifestNotFound):
        return ManifestReading(present=False, reasons=("no_manifest",))
    if isinstance(error, c2pa.C2paError.RemoteManifest) or str(error).startswith("Remote:"):
        return ManifestReading(present=False, reasons=(_REMOTE,))
    if isinstance(error, c2pa.C2paError.NotSupported):
        return ManifestReading(present=False, reasons=("container_without_manifests",))
    return ManifestReading(present=True, malformed=True, reasons=("manifest_malformed",))
