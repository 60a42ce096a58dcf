"""A perceptual fingerprint of the picture: does this clip show what the marked clip showed?

In: a media file (decoded in the sandbox). Out: up to 64 hashes of 64 bits, one per sampled frame, and a
distance in bits between two fingerprints. A mark can be copied from one clip onto another; the fingerprint
that is signed with the manifest tells the two apart. It recognises re-encoded, scaled and trimmed copies. It
does not recognise mirrored or strongly cropped ones: between the two operating points the answer is therefore
left open.

Source: the DCT variant of perceptual hashing (Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions", 2010). Serves: C2PA 2.x clause 18.10 (soft binding by fingerprint).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from provenance.answer import Answer
from provenance.media import DEFAULT_LIMITS, MediaLimits, stream_frames

FRAMES_PER_SECOND = 2.0
MOST_FRAMES = 64
HASH_BITS = 64
SAME_UP_TO_BITS = 12.0
"""Operating point of "the same picture".

Measured on six clips: re-encoded or scaled copies up to 2 bits, brightened ones up to 4, copies that
lost a tenth of each side up to 10.
"""
DIFFERENT_FROM_BITS = 20.0
"""Operating point of "another picture".

Measured: 177 of 182 pairs of unrelated clips at 20 bits or more, the nearest at 16; copies that lost a fifth
of each side at 13 to 18, which is why the range between is left open.
"""
_VERSION = b"\x01"
_GRID = 32
_DECODED_SIDE = 256
_LEAST_CONTRAST = 4.0


def _lowest_frequencies() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the 64 lowest DCT coefficients after the constant one, by diagonal."""
    order = sorted((r + c, r, c) for r in range(_GRID) for c in range(_GRID))[1 : HASH_BITS + 1]
    return np.array([r for _, r, _ in order]), np.array([c for _, _, c in order])


_ROWS, _COLUMNS = _lowest_frequencies()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes of sampled frames, in order.

    Attributes:
        hashes: One unsigned 64-bit integer per frame; empty when no frame had any structure.
    """

    hashes: tuple[int, ...]

    def encode(self) -> bytes:
        """Version byte, then 8 bytes a frame, big endian."""
        return _VERSION + np.array(self.hashes, dtype=">u8").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> "Fingerprint":
        """Read what `encode` wrote.

        Raises:
            ValueError: It is of another version or cut short.
        """
        if data[:1] != _VERSION or len(data) % 8 != 1 or len(data) > 1 + 8 * MOST_FRAMES:
            raise ValueError("the fingerprint is not readable")
        return cls(tuple(int(value) for value in np.frombuffer(data[1:], dtype=">u8")))

    def distance(self, reference: "Fingerprint") -> float | None:
        """Median over our frames of the distance to the nearest frame of the reference.

        Returns:
            Bits, 0 to 64; `None` when either side has no frames.
        """
        if not self.hashes or not reference.hashes:
            return None
        ours = np.array(self.hashes, dtype=np.uint64)[:, None]
        theirs = np.array(reference.hashes, dtype=np.uint64)[None, :]
        return float(np.median(np.bitwise_count(ours ^ theirs).min(axis=1)))


def same_content(distance: float | None) -> Answer:
    """Whether a distance means the same picture, another, or cannot tell."""
    if distance is None or SAME_UP_TO_BITS < distance < DIFFERENT_FROM_BITS:
        return Answer.UNKNOWN
    return Answer.YES if distance <= SAME_UP_TO_BITS else Answer.NO


def fingerprint_file(path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> Fingerprint:
    """Fingerprint the picture of a file.

    Raises:
        MediaError: The file has no picture or cannot be decoded.
    """
    frames = stream_frames(path, limits, max_side=_DECODED_SIDE, frames_per_second=FRAMES_PER_SECOND)
    return fingerprint_frames(frame.bgr for frame in frames)


def fingerprint_frames(frames: Iterable[NDArray[np.uint8]]) -> Fingerprint:
    """Fingerprint frames.

    Args:
        frames: `(height, width, 3)` uint8 BGR each, upright, about two a second.
    """
    hashes: list[int] = []
    stride = 1
    for index, frame in enumerate(frames):
        value = _hash(frame) if index % stride == 0 else None
        if value is not None:
            hashes.append(value)
        if len(hashes) > MOST_FRAMES:
            # Long clips are thinned out evenly, so that their end counts as much as their beginning.
            hashes, stride = hashes[::2], stride * 2
    return Fingerprint(tuple(hashes))


def _hash(bgr: NDArray[np.uint8]) -> int | None:
    """The frame's hash; `None` for a frame without structure, whose bits would be noise."""
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(gray, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(small.std()) < _LEAST_CONTRAST:
        return None
    low = cv2.dct(small)[_ROWS, _COLUMNS]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")
