"""Finds a published clip's manifest again by the mark in its picture or sound.

In: the 8-byte identifier, or the 5 bytes that sound carries. Out: stored manifests. Implements
`provenance.softbinding.ManifestRepository` over the database and the object store.
Serves: C2PA Soft Binding Resolution API 2.4, `/matches/byBinding`.
"""

from sqlalchemy import Engine

from consent_service.clips import repository
from consent_service.clips.files import ClipFiles
from consent_service.clips.tables import ManifestRow
from consent_service.db.session import reading
from provenance.softbinding.repository import StoredManifest


class ClipManifests:
    """The manifests of published clips."""

    def __init__(self, engine: Engine, files: ClipFiles) -> None:
        self._engine = engine
        self._files = files

    def find_by_watermark(self, payload: bytes) -> tuple[StoredManifest, ...]:
        """Return the manifests under an identifier, or under its first five bytes."""
        with reading(self._engine) as session:
            rows = repository.manifests_by_mark(session, payload)
        return tuple(self._stored(row) for row in rows)

    def _stored(self, row: ManifestRow) -> StoredManifest:
        return StoredManifest(
            manifest_id=row.manifest_id,
            manifest=self._files.read(row.key),
            payload=row.watermark,
            fingerprint=row.fingerprint,
        )
