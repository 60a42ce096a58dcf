"""The sound as a grid of cells: energy in 80 ms by 94 Hz, made comparable between loud and quiet places.

In: mono sound at 16 kHz. Out: levels `(slots, 56)` in units of the local spread, and their sum over the 5.12
s period, `(64, 56)`. A cell counts by how much it differs from its neighbours in time and frequency, so that
gain, equalisation and the speech itself largely drop out.
"""

from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

SAMPLE_RATE: Final = 16_000
SLOT_SECONDS: Final = 0.08
SLOTS: Final = 64
PERIOD_SECONDS: Final = SLOTS * SLOT_SECONDS
BANDS: Final = 56
LOWEST_HERTZ: Final = 500.0
BAND_HERTZ: Final = 93.75
HOPS_PER_SLOT: Final = 8
_HOP: Final = int(SAMPLE_RATE * SLOT_SECONDS / HOPS_PER_SLOT)
_WINDOW: Final = 512
_FLOOR: Final = 1e-3  # of the median energy
_NEIGHBOURS: Final = 5
_SPREAD_WINDOW: Final = (7, 9)
_SPREAD_FLOOR: Final = 1.0  # decibels
_CLIP: Final = 2.5
_CLIPPED_ANSWER: Final = 0.1

Grid = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timing:
    """Where slots lie in the sound that is being read.

    Attributes:
        phase: First hop of the first slot, 0 to 7.
        tempo: Duration here over duration when marked.
        pitch: Frequency here over frequency when marked.
    """

    phase: int = 0
    tempo: float = 1.0
    pitch: float = 1.0


def resampled(sound: NDArray[np.floating], sample_rate: int) -> NDArray[np.float32]:
    """Return mono `(samples,)` sound at 16 kHz."""
    if sample_rate == SAMPLE_RATE:
        return sound.astype(np.float32)
    common = gcd(sample_rate, SAMPLE_RATE)
    return np.asarray(
        scipy.signal.resample_poly(sound, SAMPLE_RATE // common, sample_rate // common), np.float64
    )


def cumulative_power(sound: NDArray[np.float32]) -> Grid:
    """Return the power spectrum of every 10 ms, summed upwards: `(258, hops)`."""
    _, _, spectrum = scipy.signal.stft(sound, SAMPLE_RATE, "hann", _WINDOW, _WINDOW - _HOP, boundary="zeros")
    power = np.cumsum(np.abs(spectrum) ** 2, axis=0, dtype=np.float64)
    return np.vstack([np.zeros((1, power.shape[1])), power])


def band_energy(power: Grid, pitch: float = 1.0) -> Grid:
    """Return the energy of each band at every hop, `(hops, 56)`, for sound whose pitch was changed."""
    edges = (LOWEST_HERTZ + np.arange(BANDS + 1) * BAND_HERTZ) * pitch
    return np.diff(_between(power, edges / (SAMPLE_RATE / _WINDOW) + 0.5), axis=0).T


def levels(energy: Grid, timing: Timing) -> Grid:
    """Return the comparable level of every cell, `(slots, 56)`, in units of the local spread."""
    decibels, spread = _relief(energy, timing)
    return np.asarray(np.clip(decibels / spread, -_CLIP, _CLIP), np.float64)


def receptivity(energy: Grid) -> Grid:
    """Return how much a cell's level moves for one decibel of change, mean over the periods, `(64, 56)`.

    Calm cells answer more than agitated ones; cells beyond the clipping level hardly answer.
    """
    decibels, spread = _relief(energy, Timing())
    answers = np.where(np.abs(decibels) < _CLIP * spread, 1.0, _CLIPPED_ANSWER) / spread
    return folded(answers) / np.maximum(folded(np.ones_like(spread)), 1)


def _relief(energy: Grid, timing: Timing) -> tuple[Grid, Grid]:
    """Return by how many decibels each cell stands above its neighbours, and how much the neighbours vary."""
    hops = HOPS_PER_SLOT * timing.tempo
    count = int((len(energy) - timing.phase) / hops)
    if count < 1:
        return np.zeros((0, BANDS)), np.ones((0, BANDS))
    running = np.vstack([np.zeros(BANDS), np.cumsum(energy, axis=0)])
    cell = np.maximum(np.diff(_between(running, timing.phase + np.arange(count + 1) * hops), axis=0), 0)
    decibels = 10 * np.log10(cell + np.median(cell) * _FLOOR + np.finfo(np.float32).tiny)
    for window in ((_NEIGHBOURS, 1), (1, _NEIGHBOURS)):
        decibels -= uniform_filter(decibels, window, mode="nearest")
    spread = np.sqrt(uniform_filter(decibels * decibels, _SPREAD_WINDOW)) + _SPREAD_FLOOR
    return decibels, spread


def folded(level: Grid) -> Grid:
    """Sum all periods into one, `(64, 56)`."""
    padded = np.zeros((-(-max(len(level), 1) // SLOTS) * SLOTS, BANDS))
    padded[: len(level)] = level
    return np.asarray(padded.reshape(-1, SLOTS, BANDS).sum(0), np.float64)


def _between(rows: Grid, positions: NDArray[np.floating]) -> Grid:
    """Return `rows` at fractional positions, by linear interpolation."""
    clipped = np.clip(positions, 0, len(rows) - 1.001)
    below = np.floor(clipped).astype(np.intp)
    share = (clipped - below)[:, None]
    return np.asarray(rows[below] * (1 - share) + rows[below + 1] * share, np.float64)
