"""Turns and signatures, on movements written down as numbers."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.cameos import movement
from consent_service.cameos.domain import Turn
from consent_service.cameos.movement import Moment

LEFT, RIGHT = Turn.LEFT, Turn.RIGHT


def head(*peaks: float, still: float = 0.0, tremble: float = 1.5) -> list[float]:
    """A head that looks ahead, turns to each peak in a second and a half, and back."""
    generator = np.random.default_rng(3)
    arc = np.sin(np.linspace(0, np.pi, 18)) ** 2
    parts = [np.zeros(40), *(part for peak in peaks for part in (peak * arc, np.zeros(6)))]
    return list(np.concatenate(parts) + still + generator.normal(0, tremble, sum(map(len, parts))))


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ((20, -20, 20), (LEFT, RIGHT, LEFT)),
        ((-18, 18), (RIGHT, LEFT)),
        ((20, 20, -20), (LEFT, LEFT, RIGHT)),
        ((6, -6), ()),
        ((), ()),
    ],
)
def test_turns_in_order(peaks: Sequence[float], expected: tuple[Turn, ...]) -> None:
    assert movement.turns(head(*peaks)) == expected


def test_a_face_that_looks_aside_all_the_time_turns_about_that_direction() -> None:
    assert movement.turns(head(18, -18, still=9)) == (LEFT, RIGHT)


def test_turning_straight_through_counts_both_sides() -> None:
    swing = (
        [0.0] * 40 + list(np.linspace(0, 20, 8)) + list(np.linspace(20, -20, 12)) + [-20.0] * 4 + [0.0] * 10
    )
    assert movement.turns(swing) == (LEFT, RIGHT)


def test_a_single_wrong_mesh_is_no_turn() -> None:
    yaws = [0.0] * 50
    yaws[25] = 40.0
    assert movement.turns(yaws) == ()


def test_extremes_are_where_the_head_is_turned_furthest() -> None:
    yaws = head(20, -20)
    right, left = movement.extremes(yaws)
    assert left < right
    assert yaws[left] > 15
    assert yaws[right] < -15


@given(st.lists(st.sampled_from([LEFT, RIGHT]), max_size=5))
def test_every_script_is_read_back(script: list[Turn]) -> None:
    peaks = [20.0 if turn is LEFT else -20.0 for turn in script]
    assert movement.turns([*head(*peaks), *[0.0] * 80]) == tuple(script)


def recording(seed: int, seconds: float = 9.0) -> "movement.Signature":
    generator = np.random.default_rng(seed)
    times = np.arange(0, seconds, 0.08)
    yaw = np.convolve(generator.normal(0, 9, len(times) + 12), np.ones(13) / 4, "valid")
    mouth = np.convolve(generator.random(len(times) + 2), np.ones(3) / 3, "valid") * 0.2
    moments = [Moment(*each) for each in zip(times.tolist(), yaw.tolist(), mouth.tolist(), strict=True)]
    sound = np.convolve(generator.random(round(seconds * 10) + 2) * 40, np.ones(3) / 3, "valid")
    return movement.signature(moments, sound.astype(np.float32), seconds)


def disturbed(signature: "movement.Signature", cut: int = 2) -> "movement.Signature":
    """As after another encoding, cut at the beginning."""
    noise = np.random.default_rng(9).normal(0, [0.5, 0.004, 0.5], signature.shape)
    return (signature + noise).astype(np.float16)[cut:]


def test_a_recording_is_known_again_after_another_encoding() -> None:
    assert movement.same_recording(recording(1), disturbed(recording(1)))


def test_an_old_picture_under_a_new_voice_is_known_again() -> None:
    old, new = recording(1), disturbed(recording(1), cut=0)
    new[:, 2] = recording(2)[:, 2]
    assert movement.same_recording(old, new)


def test_two_recordings_are_told_apart() -> None:
    assert not any(movement.same_recording(recording(1), recording(seed)) for seed in range(2, 12))


def test_recordings_of_very_different_length_are_told_apart() -> None:
    assert not movement.same_recording(recording(1), recording(1, 2.0))


def test_no_face_and_no_sound_is_like_nothing() -> None:
    empty = movement.signature([], np.empty(0, np.float32), 9.0)
    assert not movement.same_recording(empty, empty)
