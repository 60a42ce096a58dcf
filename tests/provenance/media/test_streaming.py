import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.errors import MediaLimitError, NoAudioError, NoVideoError
from provenance.media import MediaLimits, launcher, read_audio, stream_frames, write_video

Pictures = Callable[[int, int, int], Iterator[NDArray[np.uint8]]]
Sound = NDArray[np.float32]


def children_of(process_id: int) -> list[str]:
    return Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()


def test_frames_come_upright_in_order_with_their_times(clip: Path, pictures: Pictures) -> None:
    originals = list(pictures(30, 320, 240))
    frames = list(stream_frames(clip))
    assert [round(frame.seconds * 30) for frame in frames] == list(range(30))
    for frame, original in zip(frames, originals, strict=True):
        assert frame.bgr.dtype == np.uint8
        assert frame.bgr.shape == original.shape
        assert np.abs(frame.bgr.astype(int) - original).mean() < 4  # colours are those that went in


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, "top left"), (90, "bottom left"), (180, "bottom right"), (270, "top right")]
)
def test_rotation_is_applied(tmp_path: Path, pictures: Pictures, rotation: int, corner: str) -> None:
    write_video(tmp_path / "clip.mp4", pictures(1, 160, 120), 30, rotation=rotation)
    picture = next(stream_frames(tmp_path / "clip.mp4")).bgr
    assert picture.shape[:2] == ((120, 160) if rotation % 180 == 0 else (160, 120))
    y = 10 if "top" in corner else -10
    x = 10 if "left" in corner else -10
    blue, green, red = picture[y, x].astype(int)
    assert red > 200
    assert max(blue, green) < 60


def test_pictures_are_scaled_and_thinned_in_the_sandbox(clip: Path) -> None:
    frames = list(stream_frames(clip, max_side=64, frames_per_second=10))
    assert [frame.bgr.shape for frame in frames] == [(48, 64, 3)] * 10
    assert [round(frame.seconds, 3) for frame in frames] == [round(step / 10, 3) for step in range(10)]
    assert len(list(stream_frames(clip, frames_per_second=1000))) == 30
    assert next(stream_frames(clip, max_side=5000)).bgr.shape == (240, 320, 3)


def test_closing_early_leaves_no_process(clip: Path) -> None:
    frames = stream_frames(clip)
    next(frames)
    zygote = launcher.LAUNCHER._zygote
    assert zygote is not None
    process_id = zygote._process.pid
    assert len(children_of(process_id)) == 1
    frames.close()
    assert children_of(process_id) == []


def test_an_abandoned_stream_ends_too(clip: Path) -> None:
    next(stream_frames(clip))
    zygote = launcher.LAUNCHER._zygote
    assert zygote is not None
    assert children_of(zygote._process.pid) == []


def test_descriptors_do_not_pile_up(clip: Path) -> None:
    next(stream_frames(clip))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # numbers, not paths
    for _ in range(3):
        next(stream_frames(clip))
        read_audio(clip, sample_rate=16_000)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # numbers, not paths


def test_sound_is_where_it_was(clip: Path, sound: Sound) -> None:
    heard = read_audio(clip, sample_rate=48_000)
    assert heard.dtype == np.float32
    piece = sound[10_000:30_000]
    lag = int(np.argmax(np.correlate(heard[8_000:34_000], piece, "valid"))) - 2_000
    assert lag == 0
    assert np.corrcoef(heard[10_000:30_000], piece)[0, 1] > 0.95


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_is_resampled(clip: Path, rate: int) -> None:
    assert len(read_audio(clip, sample_rate=rate)) == pytest.approx(rate, rel=0.01)


def test_stereo_is_mixed(tmp_path: Path, pictures: Pictures, sound: Sound) -> None:
    both = np.stack([sound, np.zeros_like(sound)])
    write_video(tmp_path / "clip.mp4", pictures(30, 160, 120), 30, both, 48_000)
    heard = read_audio(tmp_path / "clip.mp4", sample_rate=48_000)
    assert heard.ndim == 1
    assert heard[10_000:30_000].std() == pytest.approx(sound[10_000:30_000].std() / 2, rel=0.1)


def test_missing_sound_and_missing_pictures_are_named(silent_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(NoAudioError):
        read_audio(silent_clip, sample_rate=16_000)
    wave = tmp_path / "sound.wav"
    layout = struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16)
    wave.write_bytes(b"RIFF\x44\x03\0\0WAVEfmt " + layout + b"data\x20\x03\0\0" + b"\x01\x02" * 400)
    assert len(read_audio(wave, sample_rate=8_000)) == 400
    with pytest.raises(NoVideoError):
        next(stream_frames(wave))


def test_a_small_file_that_unfolds_meets_the_limits(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.mp4"
    black = np.zeros((1600, 2400, 3), np.uint8)
    write_video(bomb, (black for _ in range(12)), 30, preset="ultrafast", crf=40)
    assert bomb.stat().st_size < 100_000  # and 138 MB unfolded
    with pytest.raises(MediaLimitError, match="memory"):
        list(stream_frames(bomb, MediaLimits(max_memory_bytes=90 * 1024 * 1024, max_wall_seconds=60)))
    with pytest.raises(MediaLimitError):
        list(stream_frames(bomb, MediaLimits(max_wall_seconds=0.05)))


def test_memory_stays_constant_over_a_long_clip(tmp_path: Path, pictures: Pictures) -> None:
    # 90 frames of 3 MB would not fit beside each other.
    path = tmp_path / "clip.mp4"
    write_video(path, pictures(90, 1280, 800), 30, preset="ultrafast", crf=35)
    limits = MediaLimits(max_memory_bytes=256 * 1024 * 1024, max_wall_seconds=60)
    assert sum(frame.bgr.shape[0] // 800 for frame in stream_frames(path, limits)) == 90
