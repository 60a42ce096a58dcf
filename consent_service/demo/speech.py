"""Speech for the studio: any text, in voices that a speaker comparison keeps apart.

In: a voice and a text. Out: the sound, mono float32. Two synthesisers, both brought by the `studio` extra
(GPL, hence imported nowhere else): a neural Piper voice whose weights come through the model registry, and
the formant synthesiser espeak-ng, whose library and voice variants lie inside the same package.
"""

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly

SAMPLE_RATE: Final = 48_000

DIGIT_NAMES: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class NeuralVoice:
    """A Piper voice from the model registry.

    Attributes:
        model: Registry name of the ONNX weights.
        config: Registry name of the JSON beside them.
        length_scale: Above 1 speaks slower.
    """

    model: str
    config: str
    length_scale: float = 1.25


@dataclass(frozen=True, slots=True)
class FormantVoice:
    """A voice of espeak-ng.

    Attributes:
        name: Language and variant, for example `en-us+linda`.
        words_per_minute: Speaking rate.
        pitch: 0 to 100.
    """

    name: str
    words_per_minute: int = 145
    pitch: int = 50


Voice = NeuralVoice | FormantVoice


def spoken_digits(digits: str) -> str:
    """Return the text that says these digits one after the other."""
    return ", ".join(DIGIT_NAMES[int(digit)] for digit in digits) + "."


def say_formant(voice: FormantVoice, text: str) -> NDArray[np.float32]:
    """Speak with espeak-ng.

    Returns:
        (samples,) float32 at `SAMPLE_RATE`.

    Raises:
        ValueError: espeak-ng has no such voice.
    """
    settings = [voice.name, str(voice.words_per_minute), str(voice.pitch)]
    spoken = subprocess.run(  # noqa: S603 - our own module, with arguments of our own
        [sys.executable, "-m", "consent_service.demo.espeak", *settings],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    if spoken.returncode != 0:
        raise ValueError(spoken.stderr.decode(errors="replace").strip())
    samples = np.frombuffer(spoken.stdout[4:], "<i2").astype(np.float32) / np.float32(32768)
    return _resample(samples, int.from_bytes(spoken.stdout[:4], "little"))


class NeuralSpeaker:
    """One loaded Piper voice; loading takes about half a second, a sentence about a fifth."""

    def __init__(self, model: Path, config: Path) -> None:
        self._voice = PiperVoice.load(model, config_path=config)
        self._lock = threading.Lock()

    def say(self, text: str, length_scale: float) -> NDArray[np.float32]:
        """Speak; without generator noise, so that the same text gives the same sound.

        Returns:
            (samples,) float32 at `SAMPLE_RATE`.
        """
        config = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0, length_scale=length_scale)
        with self._lock:
            sound = np.concatenate(
                [chunk.audio_float_array for chunk in self._voice.synthesize(text, config)]
            )
        return _resample(sound, self._voice.config.sample_rate)


def _resample(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Bring `(samples,)` from `rate` to `SAMPLE_RATE`."""
    common = int(np.gcd(rate, SAMPLE_RATE))
    return np.asarray(resample_poly(sound, SAMPLE_RATE // common, rate // common), np.float32)
