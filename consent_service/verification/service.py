"""The use case of verification: a file in, a verdict out, nothing kept.

In: an uploaded file. Out: the verdict of `provenance.verify`, with our trust anchors, mark keys, manifests
and the present standing of the grants. Media is decoded in the sandbox; only so many files at once, since
anyone may ask. Serves journey 4.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from sqlalchemy import Engine

from consent_service.db.session import reading
from consent_service.grants.service import GrantService
from consent_service.kernel.errors import UnavailableError
from consent_service.verification.domain import consent_of
from provenance.manifests import GrantReference, TrustPolicy
from provenance.media import MediaLimits
from provenance.softbinding.repository import ManifestRepository
from provenance.verify import ConsentAnswer, Verdict, verify_file
from provenance.watermark.keys import KeyRing

_AT_ONCE: Final = 2
_WAITING: Final = 6  # callers who wait for a place; each holds a thread that checks and revocations need
_PATIENCE: Final = 30.0  # seconds they wait


class VerificationService:
    """Tells what files are."""

    def __init__(
        self,
        engine: Engine,
        grants: GrantService,
        trust: TrustPolicy,
        keys: KeyRing,
        repository: ManifestRepository,
        limits: MediaLimits,
    ) -> None:
        self._engine = engine
        self._grants = grants
        self._trust = trust
        self._keys = keys
        self._repository = repository
        self._limits = limits
        self._places, self._room = BoundedSemaphore(_AT_ONCE), BoundedSemaphore(_AT_ONCE + _WAITING)

    def verify(self, path: Path) -> Verdict:
        """Say what a file is.

        Raises:
            UnavailableError: Too many files are being verified.
            MediaLimitError: The file is over a limit.
        """
        with _held(self._room, 0.0), _held(self._places, _PATIENCE):
            return verify_file(
                path,
                trust=self._trust,
                keys=self._keys,
                repository=self._repository,
                consent=self._consent,
                limits=self._limits,
            )

    def _consent(self, references: tuple[GrantReference, ...]) -> ConsentAnswer:
        """Ask what the grants are worth now; a reference to another service's grant stays unknown."""
        ours = [
            each.grant_id for each in references if each.status_url == self._grants.status_url(each.grant_id)
        ]
        with reading(self._engine) as session:
            standings = self._grants.standing(session, ours)
        found = [str(standings[grant_id]) for grant_id in ours]
        return consent_of(found + ["unknown"] * (len(references) - len(ours)))


@contextmanager
def _held(places: BoundedSemaphore, patience: float) -> Iterator[None]:
    if not places.acquire(timeout=patience):
        raise UnavailableError("verification_busy", "too many files are being verified; try again")
    try:
        yield
    finally:
        places.release()
