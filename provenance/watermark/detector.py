"""Is there a mark in the picture, whose, and how sure is that?

In: the sum of a clip's frames, and the keys. Out: the payload with its epoch, or the best score that was
seen; always the number of bits by which a false alarm is excluded. Every decoding attempt is counted, because
each of them is one more ticket in the lottery that the 32-bit tag guards against.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.accumulator import whitened
from provenance.watermark.demodulation import soft_values
from provenance.watermark.geometry import Geometry, PilotMatcher, mirror, spectrum
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.pattern import layout_for
from provenance.watermark.payload import VIDEO, false_positive_bits, margin
from provenance.watermark.reports import Detection, Stage
from provenance.watermark.search import Candidate, Search


def detect_video(
    summed: NDArray[np.float32], keys: Sequence[WatermarkKey], *, deep: bool = True, attempts: int = 0
) -> Detection:
    """Look for a mark of any of `keys` in an accumulated picture.

    Args:
        summed: What an `Accumulator` holds after the clip's luma, `(rows, columns)`.
        keys: Epochs to try; all share the image.
        deep: Also search scaled, cropped, squeezed and turned copies when the fast path finds nothing.
        attempts: Decodings already tried on this clip.

    Returns:
        A detection; its payload is None when nothing was found.
    """
    image, layouts = whitened(summed), [layout_for(key) for key in keys]
    search, reader = Search(image, layouts), _Reader(image, tuple(keys), attempts)
    found = reader.first_readable(search.fast(), "fast")
    for candidates in search.deep() if deep and found is None else ():
        found = reader.first_readable(candidates, "deep")
        if found is not None:
            break
    return found or reader.nothing("deep" if deep else "fast")


@dataclass(slots=True)
class _Reader:
    """Decodes candidates of one image, and remembers how often it tried and how well they fitted."""

    image: NDArray[np.float32]
    keys: tuple[WatermarkKey, ...]
    attempts: int
    best: float = 0.0

    def first_readable(self, candidates: Iterable[Candidate], stage: Stage) -> Detection | None:
        """Return the detection of the first candidate whose tag matches."""
        for candidate in candidates:
            self.attempts += 1
            self.best = max(self.best, candidate.fit.score)
            key = self.keys[candidate.key]
            soft = demodulated(self.image, PilotMatcher(layout_for(key)), candidate.fit.geometry)
            payload = VIDEO.decode(key, soft)
            if payload is not None:
                quality = margin(soft * VIDEO.encode(key, payload))
                bits = false_positive_bits(self.attempts)
                return Detection(
                    "video", payload, key.epoch, candidate.fit.score, stage, bits, quality, self.attempts
                )
        return None

    def nothing(self, stage: Stage) -> Detection:
        """Return the report of a search that read nothing."""
        bits = false_positive_bits(self.attempts)
        return Detection("video", None, None, self.best, stage, bits, None, self.attempts)


def demodulated(image: NDArray[np.float32], matcher: PilotMatcher, geometry: Geometry) -> NDArray[np.float64]:
    """Return the soft payload values of `image` read under `geometry`."""
    transformed = spectrum(image, geometry)
    if geometry.mirrored:
        transformed = mirror(transformed)
    fit = matcher.fit(transformed, replace(geometry, mirrored=False))
    return soft_values(matcher.layout, transformed, fit.shift)
