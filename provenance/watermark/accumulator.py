"""The detector's memory of a clip: one image, summed over all frames, that depends on no key.

In: luma frames of any size. Out: their sum on the reference grid, and that sum whitened, on which every key
is tried. What stays in place from frame to frame adds up, the moving picture does not; high-pass and division
by the local deviation keep strong edges from drowning the pattern.
"""

from typing import Final

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from provenance.watermark.pattern import REFERENCE_SIDE

_HIGH_PASS_SIGMA: Final = 4.0  # reference samples
_DEVIATION_WINDOW: Final = (9, 9)
_DEVIATION_FLOOR: Final = 1.5  # grey levels
_CLIP: Final = 3.0
_SPECTRUM_WINDOW: Final = (9, 9)
_SPECTRUM_FLOOR: Final = 1e-3
_LONGEST_SIDE: Final = 4 * REFERENCE_SIDE


class Accumulator:
    """Sums frames; frames whose size differs from the first one's are brought to the first one's grid."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float32] | None = None
        self.frames = 0

    def add(self, luma: NDArray[np.uint8]) -> None:
        """Add one frame, `(height, width) uint8`, upright."""
        if self._sum is None:
            self._sum = np.zeros(_reference_shape(*luma.shape), np.float32)
        rows, columns = self._sum.shape
        shrinking = rows < luma.shape[0]
        how = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
        self._sum += normalised(cv2.resize(luma, (columns, rows), interpolation=how).astype(np.float32))
        self.frames += 1

    @property
    def summed(self) -> NDArray[np.float32] | None:
        """The sum so far, `(rows, columns)`, a copy; None before the first frame."""
        return None if self._sum is None else self._sum.copy()


def whitened(summed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image with its spectrum levelled, so that no frequency outweighs the others."""
    spectrum = scipy.fft.rfft2(summed)
    power = cv2.blur(
        (np.abs(spectrum) ** 2).astype(np.float32), _SPECTRUM_WINDOW, borderType=cv2.BORDER_REFLECT
    )
    levelled = spectrum / np.sqrt(power + _SPECTRUM_FLOOR * power.mean() + np.finfo(np.float32).tiny)
    return np.asarray(scipy.fft.irfft2(levelled, s=summed.shape), dtype=np.float32)


def normalised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a frame contributes: high-passed, divided by its local deviation, clipped."""
    detail = image - cv2.GaussianBlur(image, (0, 0), _HIGH_PASS_SIGMA)
    # The running sums of the box filter may end a hair below zero in flat areas.
    power = np.maximum(cv2.boxFilter(detail * detail, -1, _DEVIATION_WINDOW), 0)
    return np.clip(detail / (np.sqrt(power) + _DEVIATION_FLOOR), -_CLIP, _CLIP).astype(np.float32)


def _reference_shape(height: int, width: int) -> tuple[int, int]:
    """Return (rows, columns) of the reference grid; extreme formats are cut in memory, not in meaning."""
    scale = REFERENCE_SIDE / min(height, width)
    return min(round(height * scale), _LONGEST_SIDE), min(round(width * scale), _LONGEST_SIDE)
