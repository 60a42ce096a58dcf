"""Where somebody speaks, and how far the speech stands above the noise.

In: `(samples,) float32, 16 kHz`. Out: a mask over frames of 32 ms, seconds, decibels.

Source: Silero VAD 6, model input of 512 samples after 64 samples of context, recurrent state `(2, 1, 128)`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.runtime import Lazy, OnnxModel

FRAME: Final = 512
_CONTEXT: Final = 64
_ENTER: Final = 0.5
_STAY: Final = 0.35  # once speech began, a weaker frame still belongs to it
_GUARD_FRAMES: Final = 2  # frames beside speech are neither speech nor noise
_QUIET_PART: Final = 0.1
_FLOOR_POWER: Final = 1e-10  # -100 dB: below the last bit of 16-bit sound
_BEST_DB: Final = 60.0
_HEARING_DB: Final = 60.0  # quieter than this below full scale counts as silence
_KEPT_FRAMES: Final = 8  # a quarter of a second around speech, so that no digit loses its edges


class SpeechDetector:
    """Tells speech from other sound; the model is loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._model = Lazy(lambda: OnnxModel(models.path("voice-activity")))

    def mask(self, audio: Audio) -> NDArray[np.bool_]:
        """Return `(samples // 512,) bool`: which frames hold speech."""
        speaking, mask = False, []
        for probability in self._probabilities(audio):
            speaking = probability >= (_STAY if speaking else _ENTER)
            mask.append(speaking)
        return np.array(mask, bool)

    def _probabilities(self, audio: Audio) -> list[float]:
        model = self._model.get()
        state = np.zeros((2, 1, 128), np.float32)
        rate = np.array(SAMPLE_RATE, np.int64)
        padded = np.concatenate([np.zeros(_CONTEXT, np.float32), audio.astype(np.float32, copy=False)])
        probabilities = []
        for start in range(0, len(audio) - FRAME + 1, FRAME):
            window = padded[None, start : start + _CONTEXT + FRAME]
            output, state = model.run({"input": window, "state": state, "sr": rate})
            probabilities.append(float(output[0, 0]))
        return probabilities


def speech_seconds(mask: NDArray[np.bool_]) -> float:
    """Return the length of all speech, seconds."""
    return float(mask.sum()) * FRAME / SAMPLE_RATE


def only_speech(audio: Audio, mask: NDArray[np.bool_]) -> Audio:
    """Return the frames that hold speech, joined."""
    frames: Audio = audio[: len(mask) * FRAME].reshape(-1, FRAME)[mask].reshape(-1)
    return frames


def snr_db(audio: Audio, mask: NDArray[np.bool_]) -> float:
    """Return the ratio of speech to noise power, decibels, between -20 and 60.

    Noise is measured where nobody speaks; where somebody always does, in the quietest tenth of the frames.

    Args:
        audio: `(samples,) float32, 16 kHz`.
        mask: From `SpeechDetector.mask`.
    """
    if not mask.any():
        return -20.0
    power = (audio[: len(mask) * FRAME].reshape(-1, FRAME).astype(np.float64) ** 2).mean(axis=1)
    guard = np.ones(2 * _GUARD_FRAMES + 1)
    near_speech = np.convolve(mask, guard, mode="full")[_GUARD_FRAMES : _GUARD_FRAMES + len(mask)] > 0
    quiet = power[~near_speech]
    if not quiet.size:
        quiet = np.sort(power)[: max(1, round(_QUIET_PART * len(power)))]
    noise = max(float(quiet.mean()), _FLOOR_POWER)
    speech = max(float(power[mask].mean()) - noise, noise / 100)
    return min(10 * float(np.log10(speech / noise)), _BEST_DB)


def loudness(audio: Audio, rate: float) -> Audio:
    """Return `(steps,) float32`: the level of each step in decibels over -60 dB, `rate` steps a second.

    Args:
        audio: `(samples,) float32, 16 kHz`.
        rate: Steps per second.
    """
    length = round(SAMPLE_RATE / rate)
    steps = audio[: len(audio) // length * length].reshape(-1, length).astype(np.float64)
    levels = 10 * np.log10(np.maximum((steps**2).mean(axis=1), _FLOOR_POWER))
    return np.asarray(np.maximum(levels + _HEARING_DB, 0), np.float32)


def around_speech(audio: Audio, mask: NDArray[np.bool_]) -> Audio:
    """Return speech with a little of what surrounds it, long pauses taken out."""
    margin = np.ones(2 * _KEPT_FRAMES + 1)
    kept = np.convolve(mask, margin, mode="full")[_KEPT_FRAMES : _KEPT_FRAMES + len(mask)] > 0
    return only_speech(audio, kept)
