"""Do the marks in picture and sound agree with what a manifest binds?

In: what the detectors found, and a manifest's soft bindings. Out: a three-valued answer with reason codes.
Picture and sound are held against the manifest separately: sound taken from another marked clip is another
clip's voice.

Serves: C2PA 2.x clause 18.10 (soft binding).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from provenance.answer import Answer
from provenance.lineage import walk
from provenance.manifests.reading import ManifestReading
from provenance.softbinding.assertion import SOFT_BINDING_ALG, SoftBinding
from provenance.watermark import DetectionReport


@dataclass(frozen=True, slots=True)
class Mark:
    """What looking for the mark gave.

    Attributes:
        report: The detectors' report; `None` when nobody could look.
        reason: Why not.
        broken: The media could not be decoded at all.
    """

    report: DetectionReport | None = None
    reason: str | None = None
    broken: bool = False

    @property
    def payload(self) -> bytes | None:
        """The picture's identifier, or else the prefix that sound carries."""
        return self.report.payload if self.report is not None else None

    @property
    def payloads(self) -> tuple[bytes, ...]:
        """Everything found, the picture's first."""
        found = (self.report.video, self.report.audio) if self.report is not None else ()
        return tuple(one.payload for one in found if one is not None and one.payload is not None)


def agreement(reading: ManifestReading, mark: Mark) -> tuple[Answer, tuple[str, ...]]:
    """Compare the marks in picture and sound with the one that the manifest binds.

    Args:
        reading: The manifest, intact or recovered.
        mark: What was found.

    Returns:
        `YES` when every mark found is the bound one; `NO` when the bound one is missing or another is there;
        and reason codes: `watermark_not_found`, `watermark_disagrees`, `watermark_of_ingredient`, or why
        nobody could look.
    """
    bound = _payloads(reading.soft_bindings)
    if mark.report is None:
        return Answer.UNKNOWN, (mark.reason,) if mark.reason else ()
    if not mark.payloads:
        return Answer.NO, ("watermark_not_found",) if bound else ()
    below = [payload for one in walk(reading.ingredients) for payload in _payloads(one.soft_bindings)]
    foreign = [found for found in mark.payloads if not _among(found, bound)]
    if not foreign:
        return Answer.YES, ()
    if not all(_among(found, below) for found in foreign):
        return Answer.NO, ("watermark_disagrees",)
    # Sound that could not be marked anew still carries the mark of what it was taken from.
    own = len(foreign) < len(mark.payloads)
    answer = Answer.YES if own else Answer.NO if bound else Answer.UNKNOWN
    return answer, ("watermark_of_ingredient",)


def _among(found: bytes, payloads: Iterable[bytes]) -> bool:
    """Whether an identifier, or the prefix that sound carries, is one of these."""
    return any(payload.startswith(found) for payload in payloads)


def binds(reading: ManifestReading, payload: bytes | None) -> bool:
    """Whether the manifest binds this identifier."""
    return payload is not None and _among(payload, _payloads(reading.soft_bindings))


def _payloads(bindings: Iterable[SoftBinding]) -> tuple[bytes, ...]:
    return tuple(binding.value for binding in bindings if binding.alg == SOFT_BINDING_ALG)
