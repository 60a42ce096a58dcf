"""Marking sound: raising and lowering the level of its cells by a few decibels until the mark reads well.

In: sound `(channels, samples)` and an identifier. Out: the marked sound, and how it reads; or a reason why
this sound cannot carry a mark. The embedder listens to its own result as the detector would and gives more
change to the coded values that the sound itself contradicts, less to those it already supports; among the
cells of one value, more to those that answer well.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from provenance.watermark.cells import (
    BAND_HERTZ,
    BANDS,
    LOWEST_HERTZ,
    PERIOD_SECONDS,
    SAMPLE_RATE,
    SLOT_SECONDS,
    SLOTS,
    Grid,
    Timing,
    band_energy,
    cumulative_power,
    folded,
    levels,
    receptivity,
    resampled,
)
from provenance.watermark.payload import AUDIO, margin
from provenance.watermark.reports import SOUND_SILENT, SOUND_TOO_SHORT
from provenance.watermark.sound_pattern import SoundPattern

SHORTEST_SECONDS: Final = 2.5
_SILENT_LEVEL: Final = 1e-4  # root mean square of full scale
_FIRST_CHANGE: Final = 1.0  # decibels
_PILOT_CHANGE: Final = 1.2
_LARGEST_CHANGE: Final = 2.5
_TARGET: Final = 0.35  # mean response of a coded value's cells, in units of the local spread
_STEP: Final = 2.0  # decibels per unit of missing response
_ROUNDS: Final = 6
_WINDOW_SECONDS: Final = 0.043
_OVERLAP: Final = 8
_BLOCK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class MarkedSound:
    """The result of marking.

    Attributes:
        sound: `(channels, samples) float32`.
        strength_db: Mean change of the cells, decibels.
        margin: Margin before encoding.
    """

    sound: NDArray[np.float32]
    strength_db: float
    margin: float


def unmarkable(sound: NDArray[np.floating], sample_rate: int) -> str | None:
    """Return the reason code why `(channels, samples)` sound cannot carry a mark, or None."""
    if sound.shape[-1] < SHORTEST_SECONDS * sample_rate:
        return SOUND_TOO_SHORT
    if float(np.sqrt(np.mean(np.square(sound.mean(0), dtype=np.float64)))) < _SILENT_LEVEL:
        return SOUND_SILENT
    return None


def mark_sound(
    sound: NDArray[np.float32], sample_rate: int, pattern: SoundPattern, *, strength: float = 1.0
) -> MarkedSound:
    """Return `(channels, samples)` sound that carries a pattern.

    Args:
        sound: The original, in [-1, 1].
        sample_rate: Hertz; at least 12000, or the upper cells do not exist.
        pattern: What to say.
        strength: Factor on the allowed change; 1 is the calibrated value.
    """
    heard = resampled(sound.mean(0), sample_rate)
    shares = pattern.shares(receptivity(_energy(heard)))
    change = np.full(AUDIO.coded_length, _FIRST_CHANGE * strength)
    for _ in range(_ROUNDS):
        # Rehearsed on what the detector hears, a fraction of the samples; only the last round is for real.
        rehearsed = _applied(
            heard[None], SAMPLE_RATE, pattern.changes(_PILOT_CHANGE * strength, change, shares)
        )
        missing = _TARGET * strength - _responses(rehearsed[0], pattern)
        change = np.clip(change + _STEP * missing, 0, _LARGEST_CHANGE * strength)
    marked = _applied(sound, sample_rate, pattern.changes(_PILOT_CHANGE * strength, change, shares))
    responses = _responses(resampled(marked.mean(0), sample_rate), pattern)
    return MarkedSound(np.clip(marked, -1, 1), float(change.mean()), margin(responses))


def _energy(heard: NDArray[np.float32]) -> Grid:
    """Return the energy of each band at every hop of mono sound at 16 kHz."""
    return band_energy(cumulative_power(heard))


def _responses(heard: NDArray[np.float32], pattern: SoundPattern) -> NDArray[np.float64]:
    """Return the response of every coded value per period, as the detector hears it."""
    periods = max(1.0, len(heard) / SAMPLE_RATE / PERIOD_SECONDS)
    return pattern.responses(folded(levels(_energy(heard), Timing())) / periods)


def _applied(sound: NDArray[np.float32], sample_rate: int, decibels: Grid) -> NDArray[np.float32]:
    """Return the sound with every cell's level changed, block by block so that memory stays bounded."""
    window = int(2 ** np.round(np.log2(sample_rate * _WINDOW_SECONDS)))
    hop = window // _OVERLAP
    block = int(_BLOCK_SECONDS * sample_rate) // hop * hop
    result = np.empty_like(sound)
    for first in range(0, sound.shape[1], block):
        begin, end = max(first - window, 0), min(first + block + window, sound.shape[1])
        changed = _shaped(sound[:, begin:end], sample_rate, window, decibels, begin)
        last = min(first + block, sound.shape[1])
        result[:, first:last] = changed[:, first - begin : last - begin]
    return result


def _shaped(
    sound: NDArray[np.float32], sample_rate: int, window: int, decibels: Grid, begin: int
) -> NDArray[np.float64]:
    """Return one block with its cells' levels changed; `begin` is its first sample in the whole."""
    overlap = window - window // _OVERLAP
    frequency, time, spectrum = scipy.signal.stft(sound, sample_rate, "hann", window, overlap)
    band = np.floor((frequency - LOWEST_HERTZ) / BAND_HERTZ).astype(np.intp)
    used = (band >= 0) & (band < BANDS)
    slot = np.floor((np.maximum(time, 0) + begin / sample_rate) / SLOT_SECONDS).astype(np.intp) % SLOTS
    spectrum[:, used] *= 10 ** (decibels[slot][:, band[used]].T / 20)
    _, changed = scipy.signal.istft(spectrum, sample_rate, "hann", window, overlap)
    return np.asarray(changed[:, : sound.shape[1]])
