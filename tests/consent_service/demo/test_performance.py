"""Scripts become movement and sound that obey them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.demo.performance import Pause, Say, Side, Sound, Turn, answer, perform
from consent_service.demo.speech import SAMPLE_RATE, FormantVoice, say_formant, spoken_digits


def tone(text: str) -> Sound:
    """Stand for speech: one tenth of a second per letter."""
    return np.sin(np.arange(len(text) * SAMPLE_RATE // 10) / 20).astype(np.float32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.lists(st.sampled_from(["left", "right"]), min_size=1, max_size=3), st.integers(0, 99))
def test_turns_come_in_their_order(turns: list[Side], seed: int) -> None:
    show = perform([Turn(side, 25, 1.6) for side in turns], tone, generator(seed), liveliness=0.0)
    yaws = np.array([pose.yaw for pose in show.poses])
    middles = [round((0.4 + 1.6 * (index + 0.5)) * 25) for index in range(len(turns))]
    assert [("left" if yaws[at] > 0 else "right") for at in middles] == turns
    assert np.abs(yaws).max() == pytest.approx(25, abs=0.1)
    assert np.abs(np.diff(yaws)).max() < 6  # degrees a frame: no jump


def test_the_mouth_moves_while_there_is_sound() -> None:
    show = perform([Pause(1.0), Say("ten letters"), Pause(1.0)], tone, generator())
    mouths = np.array([pose.mouth for pose in show.poses])
    assert mouths[:30].max() < 0.1
    assert mouths[38:58].min() > 0.5
    assert mouths[-30:].max() < 0.1


def test_sound_and_picture_end_together() -> None:
    show = perform(answer("123456", ("left",)), tone, generator(), frames_per_second=30)
    assert len(show.sound) == len(show.poses) * SAMPLE_RATE // 30


def test_speech_stands_well_above_the_room() -> None:
    show = perform([Pause(1.0), Say("ten letters")], tone, generator())
    room, speech = show.sound[: SAMPLE_RATE // 2], show.sound[round(1.6 * SAMPLE_RATE) :][: SAMPLE_RATE // 2]
    assert 20 * np.log10(speech.std() / room.std()) > 28


def test_an_empty_script_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one segment"):
        perform([], tone, generator())


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(ValueError, match="zz-nobody"):
        say_formant(FormantVoice("zz-nobody"), "hello")


def test_digits_are_spelled() -> None:
    assert spoken_digits("907") == "nine, zero, seven."
