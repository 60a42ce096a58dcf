"""The picture's fingerprint: near for copies, far for other clips, open in between."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from provenance.answer import Answer
from provenance.errors import NoVideoError
from provenance.media import transcode, write_video
from provenance.softbinding.fingerprint import (
    MOST_FRAMES,
    Fingerprint,
    fingerprint_file,
    fingerprint_frames,
    same_content,
)

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=MOST_FRAMES).map(
    lambda values: Fingerprint(tuple(values))
)


@given(hashes)
def test_encoding_is_lossless(fingerprint: Fingerprint) -> None:
    assert Fingerprint.decode(fingerprint.encode()) == fingerprint


@given(hashes, hashes)
def test_distances_are_bits(one: Fingerprint, other: Fingerprint) -> None:
    distance = one.distance(other)
    assert distance is None or 0 <= distance <= 64
    assert not one.hashes or one.distance(one) == 0


@pytest.mark.parametrize("data", [b"", b"\2", b"\1\0", b"\1" + bytes(8 * (MOST_FRAMES + 1))])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.decode(data)


@pytest.mark.parametrize(
    ("distance", "answer"),
    [
        (0.0, Answer.YES),
        (12.0, Answer.YES),
        (16.0, Answer.UNKNOWN),
        (20.0, Answer.NO),
        (None, Answer.UNKNOWN),
    ],
)
def test_operating_points(distance: float | None, answer: Answer) -> None:
    assert same_content(distance) is answer


def test_copies_are_near_and_other_clips_far(
    picture: Path, make_picture: Callable[..., Path], tmp_path: Path
) -> None:
    original = fingerprint_file(picture)
    transcode(picture, tmp_path / "copy.mp4", crf=34, preset="ultrafast", scale=0.5)
    assert same_content(fingerprint_file(tmp_path / "copy.mp4").distance(original)) is Answer.YES
    other = fingerprint_file(make_picture(tmp_path / "other.mp4", seed=11))
    assert same_content(other.distance(original)) is Answer.NO


def test_trimming_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
    assert fingerprint_frames(frames[7:12]).distance(fingerprint_frames(frames)) == 0


def test_frames_without_structure_say_nothing(tmp_path: Path) -> None:
    black = [np.zeros((64, 64, 3), np.uint8)] * 12
    write_video(tmp_path / "black.mp4", black, 12)
    fingerprint = fingerprint_file(tmp_path / "black.mp4")
    assert fingerprint.hashes == ()
    assert same_content(fingerprint.distance(fingerprint)) is Answer.UNKNOWN


def test_long_clips_are_thinned_out_evenly() -> None:
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(300)]
    fingerprint = fingerprint_frames(frames)
    assert MOST_FRAMES // 2 <= len(fingerprint.hashes) <= MOST_FRAMES
    assert fingerprint_frames(frames[290:]).distance(fingerprint_frames(frames)) is not None
    assert fingerprint.hashes[-1] in fingerprint_frames(frames[280:]).hashes


def test_unrelated_real_clips_are_never_called_the_same(shared_media: Path) -> None:
    names = ("clips/frog.mp4", "clips/pig.mp4", "heads/liveportrait_d12.mp4")
    found = [fingerprint_file(shared_media / name) for name in names]
    for one in found:
        for other in found:
            assert (one is other) == (same_content(one.distance(other)) is Answer.YES)


def test_sound_alone_has_no_picture(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", np.sin(np.arange(8000) / 9).astype(np.float32), 8000)
    with pytest.raises(NoVideoError):
        fingerprint_file(tmp_path / "tone.wav")
