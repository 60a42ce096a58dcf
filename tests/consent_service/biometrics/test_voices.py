"""Speech, noise, voice templates and spoken digits, on voices the studio can make."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio
from consent_service.biometrics.comparison import Outcome, compare_voices
from consent_service.biometrics.digits import DigitRecognizer
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.speech import loudness
from consent_service.biometrics.transcripts import digit_errors, digits_in
from consent_service.biometrics.voices import VoiceAnalyzer
from consent_service.demo.people import HE, SHE
from consent_service.demo.speech import SAMPLE_RATE as STUDIO_RATE
from consent_service.demo.speech import Voice, spoken_digits
from consent_service.demo.studio import Studio

DIGITS: Final = ("407192", "583610", "926485")


@pytest.fixture(scope="module")
def voices(models: ModelRegistry) -> VoiceAnalyzer:
    return VoiceAnalyzer(models)


@pytest.fixture(scope="module")
def studio(models: ModelRegistry) -> Studio:
    return Studio(models)


@pytest.fixture(scope="module")
def recognizer(models: ModelRegistry) -> DigitRecognizer:
    return DigitRecognizer(models)


def say(studio: Studio, voice: Voice, text: str) -> Audio:
    """Speech between half seconds of a quiet room, `(samples,) float32, 16 kHz`."""
    spoken = resample_poly(studio.say(voice, text), SAMPLE_RATE, STUDIO_RATE)
    silence = np.zeros(SAMPLE_RATE // 2)
    room = np.random.default_rng(2).normal(0, 1e-4, len(spoken) + SAMPLE_RATE)
    return (np.concatenate([silence, spoken, silence]) + room).astype(np.float32)


def noisy(audio: Audio, decibels: float) -> Audio:
    """The same sound in white noise so far below the whole."""
    level = np.sqrt(np.mean(audio**2)) / 10 ** (decibels / 20)
    return (audio + np.random.default_rng(6).normal(0, level, len(audio))).astype(np.float32)


def test_speech_is_measured_and_noise_is_not_speech(voices: VoiceAnalyzer, studio: Studio) -> None:
    audio = say(studio, HE.voice, "My name is nobody, and this is my voice.")
    length = len(audio) / SAMPLE_RATE
    assert 0.4 * (length - 1) < voices.speech_seconds(audio) < length - 0.5
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    assert voices.speech_seconds(noise) < 0.2
    silent = voices.sample(np.zeros(SAMPLE_RATE, np.float32))
    assert (silent.speech_seconds, silent.snr_db) == (0, -20)
    assert not silent.template.any()
    assert voices.sample(np.zeros(0, np.float32)).speech_seconds == 0


@pytest.mark.parametrize("decibels", [20, 10])
def test_noise_is_measured_in_decibels(voices: VoiceAnalyzer, studio: Studio, decibels: float) -> None:
    audio = say(studio, HE.voice, "My name is nobody, and this is my voice.")
    assert voices.snr_db(audio) > 35
    assert voices.snr_db(noisy(audio, decibels)) == pytest.approx(decibels, abs=4)


def test_a_voice_matches_itself_and_no_other(voices: VoiceAnalyzer, studio: Studio) -> None:
    his, again = (
        voices.sample(say(studio, HE.voice, text))
        for text in ("The quick brown fox jumps over the lazy dog.", "How much wood would a woodchuck chuck?")
    )
    hers = voices.sample(say(studio, SHE.voice, "The quick brown fox jumps over the lazy dog."))
    assert np.linalg.norm(his.template) == pytest.approx(1, abs=1e-5)
    assert compare_voices(his.template, again.template).decision is Outcome.MATCH
    assert compare_voices(his.template, hers.template).decision is Outcome.NON_MATCH


def test_a_quiet_recording_gives_the_same_template(voices: VoiceAnalyzer, studio: Studio) -> None:
    audio = say(studio, HE.voice, "The quick brown fox jumps over the lazy dog.")
    assert float(voices.template(audio) @ voices.template(audio * np.float32(0.3))) > 0.97


@pytest.mark.parametrize("voice", [HE.voice, SHE.voice])
def test_digits_are_heard(recognizer: DigitRecognizer, studio: Studio, voice: Voice) -> None:
    errors = [
        digit_errors(digits, recognizer.recognize(say(studio, voice, spoken_digits(digits))))
        for digits in DIGITS
    ]
    assert max(errors) <= 1
    assert sum(errors) <= 1


def test_a_recorded_voice_reads_digits(recognizer: DigitRecognizer, shared_media: Path) -> None:
    for digits in DIGITS:
        parts = [
            soundfile.read(shared_media / f"speech/asterisk_digits/{d}.wav", dtype="float32") for d in digits
        ]
        pause = np.zeros(2000, np.float32)
        sound = np.concatenate([each for audio, _ in parts for each in (audio, pause)])
        assert digit_errors(digits, recognizer.recognize(resample_poly(sound, 2, 1).astype(np.float32))) <= 1


def test_silence_is_no_challenge_answered(recognizer: DigitRecognizer) -> None:
    heard = recognizer.recognize(np.zeros(SAMPLE_RATE, np.float32))
    assert all(digit_errors(digits, heard) > 1 for digits in DIGITS)


@pytest.mark.parametrize(
    ("text", "digits"),
    [("4 0 7", "407"), ("Four, oh, seven.", "407"), ("407", "407"), ("to be or not", ""), ("", "")],
)
def test_digits_in_writing(text: str, digits: str) -> None:
    assert digits_in(text) == digits


Strings = st.text("0123456789", max_size=8)


@given(Strings, Strings, Strings)
def test_digit_errors_are_a_distance(a: str, b: str, c: str) -> None:
    assert (digit_errors(a, b) == 0) == (a == b)
    assert digit_errors(a, b) == digit_errors(b, a)
    assert digit_errors(a, c) <= digit_errors(a, b) + digit_errors(b, c)
    assert abs(len(a) - len(b)) <= digit_errors(a, b) <= max(len(a), len(b))


def test_loudness_follows_the_sound() -> None:
    sound = np.concatenate([np.zeros(SAMPLE_RATE), 0.1 * np.ones(SAMPLE_RATE)]).astype(np.float32)
    course = loudness(sound, 10)
    assert course.shape == (20,)
    assert course[:10].max() == 0
    assert course[10:].min() == pytest.approx(40, abs=0.1)
    assert loudness(np.zeros(0, np.float32), 10).shape == (0,)
