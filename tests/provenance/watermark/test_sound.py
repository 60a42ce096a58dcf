"""The sound's mark as arrays."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from provenance.watermark.keys import WatermarkKey
from provenance.watermark.sound_detector import detect_audio
from provenance.watermark.sound_embedding import mark_sound, unmarkable
from provenance.watermark.sound_pattern import SoundPattern
from tests.provenance.watermark.conftest import PAYLOAD, SAMPLE_RATE, babble

Sound = NDArray[np.float32]
KEY = WatermarkKey(1, b"\x51" * 32)
PREFIX = PAYLOAD[:5]


@pytest.fixture(scope="module")
def plain() -> Sound:
    return babble(8.0)


@pytest.fixture(scope="module")
def marked(plain: Sound) -> Sound:
    return np.asarray(mark_sound(plain[None], SAMPLE_RATE, SoundPattern.saying(KEY, PREFIX)).sound[0])


def test_the_mark_is_gentle(plain: Sound, marked: Sound) -> None:
    change = 10 * np.log10(np.sum(np.square(plain)) / np.sum(np.square(plain - marked)))
    assert change > 14
    assert marked.shape == plain.shape
    assert marked.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (lambda sound: sound, "fast"),
        (lambda sound: 0.3 * sound, "fast"),
        (lambda sound: sound[int(1.23 * SAMPLE_RATE) :], "fast"),
        (lambda sound: np.concatenate([np.zeros(SAMPLE_RATE // 3, np.float32), sound]), "fast"),
        (lambda sound: sound + 0.001 * np.random.default_rng(1).normal(size=len(sound)), "fast"),
        (lambda sound: scipy.signal.lfilter([1, -0.6], [1], sound), "fast"),
        (lambda sound: scipy.signal.resample(sound, round(len(sound) / 1.015)), "deep"),
    ],
    ids=["as is", "quieter", "trimmed", "delayed", "noisy", "equalised", "played faster"],
)
def test_changed_copies_are_read(marked: Sound, change: Callable[[Sound], Sound], stage: str) -> None:
    found = detect_audio(change(marked), SAMPLE_RATE, [KEY])
    assert found is not None
    assert (found.payload, found.epoch, found.stage) == (PREFIX, 1, stage)
    assert found.false_positive_bound > 24


def test_several_keys_are_tried(marked: Sound) -> None:
    others = [WatermarkKey(epoch, bytes([epoch]) * 32) for epoch in (2, 3)]
    found = detect_audio(marked, SAMPLE_RATE, [*others, KEY], deep=False)
    assert found is not None
    assert (found.payload, found.epoch) == (PREFIX, 1)


def test_both_channels_are_marked_alike(plain: Sound) -> None:
    stereo = np.stack([plain, 0.5 * plain])
    sound = mark_sound(stereo, SAMPLE_RATE, SoundPattern.saying(KEY, PREFIX)).sound
    assert sound.shape == stereo.shape
    for heard in (sound[0], sound[1], sound.mean(0)):
        found = detect_audio(heard, SAMPLE_RATE, [KEY], deep=False)
        assert found is not None
        assert found.payload == PREFIX


def test_unmarked_sound_reads_as_nothing(plain: Sound) -> None:
    found = detect_audio(plain, SAMPLE_RATE, [KEY])
    assert found is not None
    assert found.payload is None


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=10, deadline=None)
def test_other_keys_read_nothing(marked: Sound, secret: bytes) -> None:
    found = detect_audio(marked, SAMPLE_RATE, [WatermarkKey(1, secret)], deep=False)
    assert found is not None
    assert found.payload is None


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros(100), np.zeros(5 * SAMPLE_RATE)])
def test_too_little_sound_is_no_detection(sound: NDArray[np.float64]) -> None:
    assert detect_audio(sound, SAMPLE_RATE, [KEY]) is None


def test_what_cannot_carry_a_mark_is_named(plain: Sound) -> None:
    assert unmarkable(plain[None], SAMPLE_RATE) is None
    assert unmarkable(plain[None, :SAMPLE_RATE], SAMPLE_RATE) == "sound_too_short"
    assert unmarkable(np.zeros((2, 5 * SAMPLE_RATE), np.float32), SAMPLE_RATE) == "sound_silent"
    assert unmarkable(np.stack([plain, -plain]), SAMPLE_RATE) == "sound_silent"


def test_long_sound_is_shaped_in_blocks_without_seams() -> None:
    sound = babble(24.0)
    marked = mark_sound(sound[None], SAMPLE_RATE, SoundPattern.saying(KEY, PREFIX)).sound[0]
    late = detect_audio(marked[14 * SAMPLE_RATE :], SAMPLE_RATE, [KEY], deep=False)
    assert late is not None
    assert late.payload == PREFIX
    jump = np.abs(np.diff(marked.astype(np.float64))).max()
    assert jump < 2 * np.abs(np.diff(sound.astype(np.float64))).max()
