"""How much a picture was changed, in the two measures everybody compares by.

In: two luma planes `(height, width) uint8`. Out: PSNR in decibels, or structural similarity in [-1, 1].

Source: Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13(4), 2004 (Gaussian window of 1.5).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_PEAK: Final = 255.0
_IDENTICAL_DB: Final = 99.0
_SIGMA: Final = 1.5
_WINDOW: Final = (11, 11)
_C1: Final = (0.01 * _PEAK) ** 2
_C2: Final = (0.03 * _PEAK) ** 2


def psnr(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in decibels; 99 for identical planes."""
    error = float(np.mean(np.square(before.astype(np.float32) - after.astype(np.float32))))
    return 10 * float(np.log10(_PEAK**2 / error)) if error > 0 else _IDENTICAL_DB


def ssim(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity."""
    first, second = before.astype(np.float32), after.astype(np.float32)
    mean_first, mean_second = _local(first), _local(second)
    variance_first = _local(first * first) - mean_first**2
    variance_second = _local(second * second) - mean_second**2
    covariance = _local(first * second) - mean_first * mean_second
    likeness = (2 * mean_first * mean_second + _C1) * (2 * covariance + _C2)
    scale = (mean_first**2 + mean_second**2 + _C1) * (variance_first + variance_second + _C2)
    return float(np.mean(likeness / scale))


def _local(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, _WINDOW, _SIGMA), np.float32)
