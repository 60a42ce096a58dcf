"""The picture's pattern: which spatial frequencies carry the pilot, which the payload, and how it looks.

In: a key, and the coded payload. Out: a `Layout` shared by embedder and detector, and the pattern as an
image. The pattern lives on a reference grid on which the picture's short side is 360 samples; it is 512
samples wide and repeats beyond. A quarter of its frequencies is a pilot known from the key alone, which the
detector finds the geometry with; each of the others carries two coded values. The band keeps clear of what
smooth areas show (below) and of what strong compression removes (above).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from provenance.watermark.keyed import KeyedStream
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.payload import VIDEO

REFERENCE_SIDE: Final = 360
PERIOD: Final = 512
BAND: Final = (0.045, 0.17)  # cycles per reference sample
PILOT_SHARE: Final = 0.25
# Frequencies on the axes belong to block edges, letterbox bars and captions.
_AXIS_GUARD: Final = 1.5 / PERIOD
_KERNEL_ROOM: Final = 3  # samples the cubic kernel may reach beyond an edge


@dataclass(frozen=True, slots=True)
class Layout:
    """Carriers of one key, in a secret order; the first `pilots` of them are the pilot.

    Attributes:
        rows: Row of each carrier in the half spectrum `(512, 257)`.
        columns: Its column.
        phases: Its secret phase, unit complex.
        pilots: Number of pilot carriers.
        assignment: For each data value (real parts, then imaginary parts) the coded value it carries.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    phases: NDArray[np.complex64]
    pilots: int
    assignment: NDArray[np.intp]

    @property
    def vertical(self) -> NDArray[np.float64]:
        """Vertical frequency of each carrier, cycles per reference sample."""
        return np.asarray(scipy.fft.fftfreq(PERIOD)[self.rows], np.float64)

    @property
    def horizontal(self) -> NDArray[np.float64]:
        """Horizontal frequency of each carrier, cycles per reference sample."""
        return self.columns / PERIOD

    @property
    def radius(self) -> NDArray[np.float64]:
        """Distance of each carrier from frequency zero, cycles per reference sample."""
        return np.hypot(self.vertical, self.horizontal)

    def pilot_spectrum(self, period: int = PERIOD) -> NDArray[np.complex64]:
        """Return the pilot's half spectrum, `(period, period / 2 + 1)`; fewer samples make a coarser grid."""
        spectrum = np.zeros((period, period // 2 + 1), np.complex64)
        chosen = slice(0, self.pilots)
        rows = np.where(self.rows < PERIOD // 2, self.rows, self.rows - PERIOD)[chosen]
        spectrum[rows, self.columns[chosen]] = self.phases[chosen]
        return spectrum

    def tile(self, coded: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one period of the pattern carrying `coded`: `(512, 512)`, standard deviation 1."""
        spectrum = self.pilot_spectrum()
        values = coded[self.assignment]
        half = len(values) // 2
        data = slice(self.pilots, None)
        symbols = (values[:half] + 1j * values[half:]) / np.sqrt(2)
        spectrum[self.rows[data], self.columns[data]] = symbols * self.phases[data]
        image = scipy.fft.irfft2(spectrum)
        return np.asarray(image / image.std(), dtype=np.float32)


@lru_cache(maxsize=8)
def layout_for(key: WatermarkKey) -> Layout:
    """Return the carriers of `key`."""
    rows, columns = np.nonzero(_usable())
    stream = KeyedStream(key.derive("video layout"))
    order = stream.permutation(len(rows))
    phases = stream.phases(len(rows)).astype(np.complex64)
    pilots = int(len(rows) * PILOT_SHARE)
    return Layout(
        rows[order],
        columns[order],
        phases,
        pilots,
        spread(stream, 2 * (len(rows) - pilots), VIDEO.coded_length),
    )


def spread(stream: KeyedStream, places: int, coded_length: int) -> NDArray[np.intp]:
    """Return which coded value stands at each of `places`: every value equally often, in a secret order."""
    rounds = [stream.permutation(coded_length) for _ in range(-(-places // coded_length))]
    return np.concatenate(rounds)[:places]


@dataclass(frozen=True, slots=True)
class PicturePattern:
    """The pattern of one clip: all that an embedder needs, and nothing of the key beyond it.

    Attributes:
        tile: One period, `(512, 512) float32`, standard deviation 1.
        phase: Row and column of the period at which the picture starts.
    """

    tile: NDArray[np.float32]
    phase: tuple[int, int]

    @classmethod
    def saying(cls, key: WatermarkKey, identifier: bytes) -> "PicturePattern":
        """Return the pattern that says `identifier` (8 bytes)."""
        return cls(layout_for(key).tile(VIDEO.encode(key, identifier)), _clip_phase(key, identifier))

    def render(self, width: int, height: int) -> NDArray[np.float32]:
        """Return the pattern at the size of the upright picture, `(height, width)`."""
        scale = min(width, height) / REFERENCE_SIDE
        sides = (
            np.arange(int(np.ceil(side / scale)) + 2 * _KERNEL_ROOM) - _KERNEL_ROOM
            for side in (height, width)
        )
        rows, columns = sides
        wide = self.tile.take(rows + self.phase[0], 0, mode="wrap").take(
            columns + self.phase[1], 1, mode="wrap"
        )
        offset = 0.5 / scale - 0.5 + _KERNEL_ROOM  # pixel centres
        affine = np.array([[1 / scale, 0, offset], [0, 1 / scale, offset]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(wide, affine, (width, height), flags=flags), dtype=np.float32)


def _clip_phase(key: WatermarkKey, identifier: bytes) -> tuple[int, int]:
    """Return where this clip's pattern starts, (rows, columns) below 512.

    Moving the pattern from clip to clip makes the average over many clips of one key useless to an attacker;
    it costs the detector nothing, which searches all shifts anyway.
    """
    stream = KeyedStream(key.derive(f"video phase {identifier.hex()}"))
    return stream.below(PERIOD), stream.below(PERIOD)


def _usable() -> NDArray[np.bool_]:
    vertical = scipy.fft.fftfreq(PERIOD)[:, None]
    horizontal = scipy.fft.rfftfreq(PERIOD)[None, :]
    radius = np.hypot(vertical, horizontal)
    in_band = (radius > BAND[0]) & (radius < BAND[1])
    return np.asarray(in_band & (np.abs(vertical) > _AXIS_GUARD) & (horizontal > _AXIS_GUARD))
