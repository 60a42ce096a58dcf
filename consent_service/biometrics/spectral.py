"""Short-time spectra on the mel scale, as the speaker encoder and the digit recognizer were trained on them.

In: `(samples,) float32, 16 kHz`. Out: `(frames, bands) float32` power. Pure.

Source: Slaney 1998, "Auditory Toolbox", mel filter bank: linear to 1 kHz, logarithmic above, filters of
equal area.
"""

from functools import cache
from typing import Final

import numpy as np

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio, Floats

WINDOW: Final = 400  # 25 ms
HOP: Final = 160  # 10 ms

_LINEAR_HERTZ: Final = 200 / 3  # hertz per mel below the bend
_BEND_HERTZ: Final = 1000.0
_BEND_MEL: Final = _BEND_HERTZ / _LINEAR_HERTZ
_LOG_STEP: Final = np.log(6.4) / 27


def mel_power(audio: Audio, bands: int) -> Floats:
    """Return `(samples // 160 + 1, bands)` power in mel bands, frames centred on their instant.

    Args:
        audio: `(samples,) float32, 16 kHz`.
        bands: Number of mel bands between 0 and 8 kHz.
    """
    padded = np.pad(audio, WINDOW // 2, mode="reflect" if len(audio) > WINDOW // 2 else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return power @ _filters(bands).T


@cache
def _hann() -> Floats:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW), np.float32)


@cache
def _filters(bands: int) -> Floats:
    """Return `(bands, 201)` triangular filters."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    edges = _hertz(np.linspace(0, _mel(SAMPLE_RATE / 2), bands + 2))
    rising = (frequencies[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    equal_area = 2 / (edges[2:] - edges[:-2])
    return np.asarray(triangles * equal_area[:, None], np.float32)


def _mel(hertz: float) -> float:
    if hertz < _BEND_HERTZ:
        return hertz / _LINEAR_HERTZ
    return float(_BEND_MEL + np.log(hertz / _BEND_HERTZ) / _LOG_STEP)


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _BEND_MEL, mel * _LINEAR_HERTZ, _BEND_HERTZ * np.exp(_LOG_STEP * (mel - _BEND_MEL)))
