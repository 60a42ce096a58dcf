"""Is there a mark in the sound, whose, and how sure is that?

In: mono sound and the keys. Out: a detection that carries the identifier's first five bytes, or the best
score seen. Four slot phases at the original speed come first; the deep search adds changes of tempo and of
speed by up to two per cent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.cells import (
    HOPS_PER_SLOT,
    PERIOD_SECONDS,
    SAMPLE_RATE,
    Grid,
    Timing,
    band_energy,
    cumulative_power,
    folded,
    levels,
    resampled,
)
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.payload import AUDIO, false_positive_bits, margin
from provenance.watermark.reports import Detection, Stage
from provenance.watermark.sound_pattern import PILOT_SHARE, SoundLayout, sound_layout_for

_PHASES: Final = range(0, HOPS_PER_SLOT, 2)
_CHANGES: Final = tuple(1 + 0.0025 * step for step in range(-8, 9) if step)
_DECODED_FAST: Final = 4
_DECODED_DEEP: Final = 8
_SHORTEST_SECONDS: Final = 1.0
_DEEP_SECONDS: Final = 12 * PERIOD_SECONDS  # beyond this, drift smears a wrong tempo and adds nothing


@dataclass(frozen=True, slots=True)
class SoundFit:
    """How well the pilot fits under one timing.

    Attributes:
        score: Correlation peak in standard deviations of noise.
        received: Folded grid, rolled so that it starts where the pattern does.
        key: Index of the key.
    """

    score: float
    received: Grid
    key: int


def detect_audio(
    sound: NDArray[np.floating], sample_rate: int, keys: Sequence[WatermarkKey], *, deep: bool = True
) -> Detection | None:
    """Look for a mark of any of `keys` in mono `sound`, `(samples,)`.

    Returns:
        None when there is too little sound to look at; otherwise a detection, whose payload may be None.
    """
    if len(sound) < _SHORTEST_SECONDS * sample_rate or not np.any(sound):
        return None
    heard = resampled(sound, sample_rate)
    layouts = [sound_layout_for(key) for key in keys]
    fast = _best(_fits(heard, layouts, _unchanged()), _DECODED_FAST * len(keys))
    found = _first_readable(fast, layouts, keys, 0, "fast")
    if found is not None or not deep:
        return found or _nothing(fast, "fast")
    slow = _best(
        _fits(heard[: int(_DEEP_SECONDS * SAMPLE_RATE)], layouts, _changed()), _DECODED_DEEP * len(keys)
    )
    found = _first_readable(slow, layouts, keys, len(fast), "deep")
    return found or _nothing(fast + slow, "deep")


def _unchanged() -> Iterator[Timing]:
    return (Timing(phase) for phase in _PHASES)


def _changed() -> Iterator[Timing]:
    for change in _CHANGES:
        for pitch in (1.0, 1 / change):  # tempo alone, or played faster or slower
            yield from (Timing(phase, change, pitch) for phase in _PHASES)


def _fits(
    sound: NDArray[np.float32], layouts: Sequence[SoundLayout], timings: Iterator[Timing]
) -> Iterator[SoundFit]:
    power = cumulative_power(sound)
    pilots = [np.conj(np.fft.fft(layout.pilot_grid(), axis=0)) for layout in layouts]
    for timing in timings:
        grid = folded(levels(band_energy(power, timing.pitch), timing))
        transformed = np.fft.fft(grid, axis=0)
        noise = np.sqrt((grid**2).sum() * PILOT_SHARE) or 1.0
        for index, pilot in enumerate(pilots):
            correlation = np.fft.ifft((transformed * pilot).sum(1)).real / noise
            start = int(np.argmax(correlation))
            yield SoundFit(float(correlation[start]), np.roll(grid, -start, axis=0), index)


def _best(fits: Iterator[SoundFit], count: int) -> list[SoundFit]:
    return sorted(fits, key=lambda fit: fit.score, reverse=True)[:count]


def _first_readable(
    fits: Sequence[SoundFit],
    layouts: Sequence[SoundLayout],
    keys: Sequence[WatermarkKey],
    before: int,
    stage: Stage,
) -> Detection | None:
    for attempts, fit in enumerate(fits, start=before + 1):
        key, soft = keys[fit.key], layouts[fit.key].soft_values(fit.received)
        payload = AUDIO.decode(key, soft)
        if payload is not None:
            quality = margin(soft * AUDIO.encode(key, payload))
            bits = false_positive_bits(attempts)
            return Detection("audio", payload, key.epoch, fit.score, stage, bits, quality, attempts)
    return None


def _nothing(fits: Sequence[SoundFit], stage: Stage) -> Detection:
    score = max((fit.score for fit in fits), default=0.0)
    return Detection("audio", None, None, score, stage, false_positive_bits(len(fits)), None, len(fits))
