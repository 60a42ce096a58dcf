"""Soft bindings: how a manifest is found again when the file that carried it was re-encoded or stripped."""

from provenance.softbinding.assertion import FINGERPRINT_ALG, SOFT_BINDING_ALG, SoftBinding
from provenance.softbinding.fingerprint import Fingerprint, fingerprint_file
from provenance.softbinding.repository import (
    DirectoryRepository,
    FingerprintIndex,
    ManifestRepository,
    RepositoryError,
    StoredManifest,
)
from provenance.softbinding.resolution import Candidate, resolve_fingerprint, resolve_watermark

__all__ = [
    "FINGERPRINT_ALG",
    "SOFT_BINDING_ALG",
    "Candidate",
    "DirectoryRepository",
    "Fingerprint",
    "FingerprintIndex",
    "ManifestRepository",
    "RepositoryError",
    "SoftBinding",
    "StoredManifest",
    "fingerprint_file",
    "resolve_fingerprint",
    "resolve_watermark",
]
