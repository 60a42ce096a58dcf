"""Is there a mark in the picture, whose, and how sure is that?

In: an accumulator fed with luma frames, and the keys. Out: the payload with its epoch, or the best score that
was seen; always the number of bits by which a false alarm is excluded. Every decoding attempt is counted,
because each of them is one more ticket in the lottery that the 32-bit tag guards against.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.accumulator import Accumulator
from provenance.watermark.demodulation import soft_values
from provenance.watermark.geometry import Geometry, PilotMatcher, mirror, spectrum
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.pattern import layout_for
from provenance.watermark.payload import VIDEO, false_positive_bits, margin
from provenance.watermark.reports import Detection
from provenance.watermark.search import Candidate, Search


@dataclass(slots=True)
class _Attempts:
    """The best score so far, and how many decodings were tried."""

    score: float = 0.0
    count: int = 0


def detect_video(
    accumulator: Accumulator, keys: Sequence[WatermarkKey], *, deep: bool = True
) -> Detection | None:
    """Look for a mark of any of `keys` in the accumulated picture.

    Args:
        accumulator: Fed with the clip's luma.
        keys: Epochs to try; all share the accumulated image.
        deep: Also search scaled, cropped, squeezed and turned copies when the fast path finds nothing.

    Returns:
        None when no frame was accumulated; else a detection, whose payload is None when nothing was found.
    """
    image = accumulator.whitened()
    if image is None:
        return None
    search = Search(image, tuple(PilotMatcher(layout_for(key)) for key in keys))
    attempts = _Attempts()
    found = _first_readable(search, search.fast(), keys, attempts, "fast")
    for candidates in search.deep() if deep and found is None else ():
        found = _first_readable(search, candidates, keys, attempts, "deep")
        if found is not None:
            break
    return found or _nothing(attempts, "deep" if deep else "fast")


def _first_readable(
    search: Search,
    candidates: Iterable[Candidate],
    keys: Sequence[WatermarkKey],
    attempts: _Attempts,
    stage: str,
) -> Detection | None:
    for candidate in candidates:
        attempts.count += 1
        attempts.score = max(attempts.score, candidate.fit.score)
        key = keys[candidate.key]
        soft = demodulated(search.image, search.matchers[candidate.key], candidate.fit.geometry)
        payload = VIDEO.decode(key, soft)
        if payload is not None:
            bits = false_positive_bits(attempts.count)
            quality = margin(soft, VIDEO.encode(key, payload))
            return Detection("video", payload, key.epoch, candidate.fit.score, stage, bits, quality)
    return None


def demodulated(image: NDArray[np.float32], matcher: PilotMatcher, geometry: Geometry) -> NDArray[np.float64]:
    """Return the soft payload values of `image` read under `geometry`."""
    transformed = spectrum(image, geometry)
    if geometry.mirrored:
        transformed = mirror(transformed)
    fit = matcher.fit(transformed, replace(geometry, mirrored=False))
    return soft_values(matcher.layout, transformed, fit.shift)


def _nothing(attempts: _Attempts, stage: str) -> Detection:
    return Detection("video", None, None, attempts.score, stage, false_positive_bits(attempts.count), None)
