"""How a copy may differ in shape from what was marked, and how well the pilot fits under such a guess.

In: the whitened sum of a clip and a geometry. Out: the spectrum of the picture brought back to the reference
grid, and the pilot's correlation peak: its height in standard deviations and its place, for the picture as it
is and mirrored. Shift needs no search: the correlation is over all shifts at once.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from provenance.watermark.pattern import PERIOD, Layout

_ROTATION_ROOM = 8  # reference samples


@dataclass(frozen=True, slots=True)
class Geometry:
    """One guess.

    Attributes:
        horizontal: Magnification of the content in the copy along rows (2 after a crop to half the width).
        vertical: The same along columns.
        rotation: Degrees.
        mirrored: Left and right are swapped.
    """

    horizontal: float = 1.0
    vertical: float = 1.0
    rotation: float = 0.0
    mirrored: bool = False

    def moved(self, *, horizontal: float = 1.0, vertical: float = 1.0, rotation: float = 0.0) -> "Geometry":
        """Return this guess with its scales multiplied and its rotation shifted."""
        return replace(
            self,
            horizontal=self.horizontal * horizontal,
            vertical=self.vertical * vertical,
            rotation=self.rotation + rotation,
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """How a guess fits.

    Attributes:
        score: Height of the pilot's correlation peak in standard deviations of the surface; unmarked media
            reach about 5, being the highest of a quarter of a million values.
        geometry: The guess.
        shift: (row, column) of the peak within the period.
    """

    score: float
    geometry: Geometry
    shift: tuple[int, int]


class PilotMatcher:
    """Correlates geometries of a whitened image with the pilot of one layout.

    Args:
        layout: Carriers of the key.
        period: Samples of the pattern's period on the image's grid: 512 on the reference grid, 256 on half
            of it, which still holds every carrier.
    """

    def __init__(self, layout: Layout, period: int = PERIOD) -> None:
        pilot = np.conj(layout.pilot_spectrum(period))
        self.layout = layout
        self.period = period
        self._straight = pilot
        self._mirrored = mirror(pilot)

    def fit(self, unmirrored: NDArray[np.complex64], geometry: Geometry) -> Fit:
        """Return the fit for the spectrum of an image, in which mirroring has not been undone."""
        pilot = self._mirrored if geometry.mirrored else self._straight
        surface = scipy.fft.irfft2(unmirrored * pilot, overwrite_x=True)
        place = int(np.argmax(surface))
        deviation = float(np.sqrt(np.mean(np.square(surface)))) or 1.0
        return Fit(float(surface.flat[place]) / deviation, geometry, divmod(place, self.period))


def spectrum(image: NDArray[np.float32], geometry: Geometry, period: int = PERIOD) -> NDArray[np.complex64]:
    """Return the half spectrum of the image with scale and rotation undone, mirroring not."""
    return np.asarray(scipy.fft.rfft2(fold(straightened(image, geometry), period)), dtype=np.complex64)


def fold(image: NDArray[np.float32], period: int = PERIOD) -> NDArray[np.float32]:
    """Sum all periods of an image into one, `(period, period)`."""
    rows, columns = (-(-side // period) for side in image.shape)
    padded = np.zeros((rows * period, columns * period), np.float32)
    padded[: image.shape[0], : image.shape[1]] = image
    return np.asarray(padded.reshape(rows, period, columns, period).sum((0, 2)), np.float32)


def halved(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image on a grid of half as many rows and columns, free of aliases."""
    even = image[: image.shape[0] & ~1, : image.shape[1] & ~1]
    rows, columns = even.shape[0] // 2, even.shape[1] // 2
    whole = scipy.fft.rfft2(even)
    low = np.concatenate([whole[: (rows + 1) // 2], whole[whole.shape[0] - rows // 2 :]])[
        :, : columns // 2 + 1
    ]
    return np.asarray(scipy.fft.irfft2(low / 4, s=(rows, columns)), np.float32)


def straightened(image: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Return the image on the grid the pattern was made on, anchored at its centre."""
    if geometry.horizontal == geometry.vertical == 1.0 and not geometry.rotation:
        return image
    height, width = image.shape
    room = _ROTATION_ROOM if geometry.rotation else 0
    columns, rows = int(width / geometry.horizontal) + room, int(height / geometry.vertical) + room
    cosine, sine = np.cos(np.deg2rad(geometry.rotation)), np.sin(np.deg2rad(geometry.rotation))
    linear = np.array(
        [
            [geometry.horizontal * cosine, -geometry.horizontal * sine],
            [geometry.vertical * sine, geometry.vertical * cosine],
        ]
    )
    centre = np.array([width / 2 - 0.5, height / 2 - 0.5]) - linear @ np.array(
        [columns / 2 - 0.5, rows / 2 - 0.5]
    )
    affine = np.column_stack([linear, centre]).astype(np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, affine, (columns, rows), flags=flags), dtype=np.float32)


def mirror(half: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the half spectrum of the mirrored image: the conjugate at the opposite vertical frequency."""
    return np.conj(np.roll(half[::-1], 1, axis=0))
