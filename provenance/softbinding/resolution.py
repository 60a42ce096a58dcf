"""From a mark, or failing that from the picture, back to stored manifests.

In: the identifier read from the clip (or its prefix), the clip's fingerprint, a repository. Out: candidates,
each with how alike the pictures are. Several clips share a prefix once in 2^40, and a mark can be copied onto
another clip, so a candidate counts only by what its picture says.

Serves: C2PA Soft Binding Resolution API 2.4 (`/matches/byBinding` with `similarityScore`).
"""

from dataclasses import dataclass

from provenance.answer import Answer
from provenance.softbinding.fingerprint import HASH_BITS, Fingerprint, same_content
from provenance.softbinding.repository import FingerprintIndex, ManifestRepository, StoredManifest

MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored manifest that may be this clip's.

    Attributes:
        stored: The manifest.
        distance_bits: Distance of the pictures; `None` when one side has no fingerprint.
        same_content: What that distance means.
    """

    stored: StoredManifest
    distance_bits: float | None
    same_content: Answer

    @property
    def similarity(self) -> int | None:
        """The resolution API's score, 0 to 100: unrelated pictures sit near 50."""
        return None if self.distance_bits is None else round(100 * (1 - self.distance_bits / HASH_BITS))

    def to_json(self) -> dict[str, object]:
        """As JSON values, named as in the resolution API."""
        return {
            "manifestId": self.stored.manifest_id,
            "similarityScore": self.similarity,
            "same_content": self.same_content,
        }


def resolve_watermark(
    payload: bytes, fingerprint: Fingerprint | None, repository: ManifestRepository
) -> tuple[Candidate, ...]:
    """Candidates stored under this mark, the most alike first; those without a distance last."""
    found = [_candidate(stored, fingerprint) for stored in repository.find_by_watermark(payload)]
    return tuple(sorted(found, key=lambda one: HASH_BITS if one.distance_bits is None else one.distance_bits))


def resolve_fingerprint(
    fingerprint: Fingerprint | None, repository: ManifestRepository
) -> tuple[Candidate, ...]:
    """Candidates by picture alone: hints for a person, never proof of origin."""
    if fingerprint is None or not isinstance(repository, FingerprintIndex):
        return ()
    stored = repository.find_by_fingerprint(fingerprint, MOST_CANDIDATES)
    return tuple(_candidate(one, fingerprint) for one in stored)


def _candidate(stored: StoredManifest, fingerprint: Fingerprint | None) -> Candidate:
    reference = _decoded(stored.fingerprint)
    known = fingerprint is not None and reference is not None
    distance = fingerprint.distance(reference) if known and fingerprint and reference else None
    return Candidate(stored, distance, same_content(distance))


def _decoded(fingerprint: bytes | None) -> Fingerprint | None:
    try:
        return None if fingerprint is None else Fingerprint.decode(fingerprint)
    except ValueError:
        return None
