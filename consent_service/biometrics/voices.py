"""Voices as the service measures them: how much speech, how clean, whose template.

In: `(samples,) float32, 16 kHz`. Out: seconds, decibels, templates of 256 numbers and unit length.
Templates are personal data: they leave this module only as return values and are stored sealed.

Source: Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification", section 2.1: windows of 1.6
s, the template is the normalised mean of their embeddings.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from consent_service.biometrics import speech
from consent_service.biometrics.arrays import Audio, Floats, Template
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.runtime import Lazy, OnnxModel
from consent_service.biometrics.spectral import mel_power

_WINDOW_FRAMES: Final = 160  # 1.6 s
_STEP_FRAMES: Final = 80
_FILLED_PART: Final = 0.75  # a last window with less speech than this is left out
_MEL_BANDS: Final = 40
_LEVEL: Final = 10 ** (
    -30 / 20
)  # all speech is brought to -30 dB, so that distance to the microphone is not heard
_DIMENSIONS: Final = 256


@dataclass(frozen=True, slots=True)
class VoiceSample:
    """What one recording tells about a voice.

    Attributes:
        template: `(256,) float32` of unit length; zeros when nobody speaks.
        speech_seconds: Length of the speech it was taken from.
        snr_db: Speech over noise, decibels.
    """

    template: Template
    speech_seconds: float
    snr_db: float


class VoiceAnalyzer:
    """Measures and describes voices; models are loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._detector = speech.SpeechDetector(models)
        self._encoder = Lazy(lambda: OnnxModel(models.path("voice-template")))

    def speech_seconds(self, audio: Audio) -> float:
        """Return the length of all speech, seconds."""
        return speech.speech_seconds(self._detector.mask(audio))

    def snr_db(self, audio: Audio) -> float:
        """Return the ratio of speech to noise power, decibels."""
        return speech.snr_db(audio, self._detector.mask(audio))

    def template(self, audio: Audio) -> Template:
        """Return the voice template `(256,) float32` of unit length; zeros when nobody speaks."""
        return self.sample(audio).template

    def spoken(self, audio: Audio) -> Audio:
        """Return the speech with a little of what surrounds it, long pauses taken out."""
        return speech.around_speech(audio, self._detector.mask(audio))

    def sample(self, audio: Audio) -> VoiceSample:
        """Return template and quality together, looking for speech once."""
        mask = self._detector.mask(audio)
        return VoiceSample(
            template=self._embed(speech.only_speech(audio, mask)),
            speech_seconds=speech.speech_seconds(mask),
            snr_db=speech.snr_db(audio, mask),
        )

    def _embed(self, spoken: Audio) -> Template:
        if not spoken.size:
            return np.zeros(_DIMENSIONS, np.float32)
        windows = _windows(mel_power(_levelled(spoken), _MEL_BANDS))
        (embeddings,) = self._encoder.get().run({"mel": windows})
        mean = embeddings.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def _levelled(spoken: Audio) -> Audio:
    level = float(np.sqrt(np.mean(spoken.astype(np.float64) ** 2)))
    return (spoken * (_LEVEL / max(level, 1e-9))).astype(np.float32)


def _windows(mel: Floats) -> Floats:
    """Return `(windows, 160, 40)` overlapping windows; a short recording is filled up with silence."""
    starts = list(range(0, max(1, len(mel) - _WINDOW_FRAMES + _STEP_FRAMES), _STEP_FRAMES))
    filled = (len(mel) - starts[-1]) / _WINDOW_FRAMES
    if filled < _FILLED_PART and len(starts) > 1:
        starts = starts[:-1]
    missing = max(0, starts[-1] + _WINDOW_FRAMES - len(mel))
    padded = np.pad(mel, ((0, missing), (0, 0)))
    return np.stack([padded[start : start + _WINDOW_FRAMES] for start in starts])
