"""Laying the pattern over a picture: as strong as the eye allows, for one multiply and one add.

In: luma frames `(height, width) uint8` and the pattern of the clip. Out: marked luma. The amplitude follows
the texture around each pixel, measured at reduced resolution; lone edges do not count as texture, because
ringing beside an edge is what viewers notice.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_FLAT_AMPLITUDE: Final = 1.2  # grey levels (standard deviation) where there is no texture
_TEXTURE_GAIN: Final = 0.1
_LARGEST_AMPLITUDE: Final = 4.0
_LARGE_PICTURE: Final = 720
_WINDOW: Final = (5, 5)
_EROSION: Final = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class VideoEmbedder:
    """Marks the frames of one clip.

    Attributes:
        pattern: The clip's pattern at the size of its frames, `(height, width) float32`.
        strength: Factor on the amplitude; 1 is the calibrated value.
    """

    pattern: NDArray[np.float32]
    strength: float = 1.0

    def mark(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `luma` with the pattern added, `(height, width) uint8`."""
        change = cv2.multiply(amplitude(luma, self.strength), self.pattern)
        return np.asarray(cv2.add(luma, change, dtype=cv2.CV_8U), dtype=np.uint8)


def amplitude(luma: NDArray[np.uint8], strength: float) -> NDArray[np.float32]:
    """Return how strong the pattern may be at each pixel, in grey levels, `(height, width)`."""
    height, width = luma.shape
    shrink = 4 if min(width, height) >= _LARGE_PICTURE else 2
    small = cv2.resize(
        luma, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA
    )
    texture = cv2.blur(cv2.erode(_deviation(small.astype(np.float32)), _EROSION), _WINDOW)
    allowed = np.minimum(_FLAT_AMPLITUDE + _TEXTURE_GAIN * texture, _LARGEST_AMPLITUDE) * np.float32(strength)
    return np.asarray(cv2.resize(allowed, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _deviation(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of the neighbourhood of each pixel."""
    mean = cv2.boxFilter(image, -1, _WINDOW)
    variance = cv2.boxFilter(image * image, -1, _WINDOW) - mean * mean
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)
