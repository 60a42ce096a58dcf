"""Makes a video file of pictures and sound that we made ourselves (the studio, tests, benchmarks).

In: BGR pictures, mono or stereo sound. Out: an H.264/AAC MP4.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame as EncodedFrame
from numpy.typing import NDArray

from provenance.media.encode import AudioSettings, VideoSettings, audio_blocks, write_beside, writing
from provenance.media.frames import ColorTags

_BT709 = ColorTags(space=1, range=1, transfer=1, primaries=1)
_TICKS_PER_SECOND = 90_000


def _encoded(pictures: Iterable[NDArray[np.uint8]], times: Iterable[float]) -> Iterator[EncodedFrame]:
    for picture, seconds in zip(pictures, times, strict=False):
        even = np.ascontiguousarray(picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1])
        frame = EncodedFrame.from_ndarray(even, "bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts = round(seconds * _TICKS_PER_SECOND)
        yield frame


def _steady(rate: Fraction) -> Iterator[float]:
    index = 0
    while True:
        yield float(index / rate)
        index += 1


def write_video(  # noqa: PLR0913  # all but four are optional and named
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    frames_per_second: float | Fraction,
    audio: NDArray[np.float32] | None = None,
    sample_rate: int = 48_000,
    *,
    crf: int = 18,
    preset: str = "veryfast",
    times: Iterable[float] | None = None,
    rotation: int = 0,
) -> None:
    """Write pictures and sound of our own making as H.264/AAC MP4.

    Args:
        path: Destination, replaced whole or not at all.
        frames: `(height, width, 3)` uint8 BGR, all of one size; the last column or row is cut from odd sides.
        frames_per_second: Steady frame rate.
        audio: `(samples,)` or `(channels, samples)` float32, full scale 1; None for a silent file.
        sample_rate: Samples per second; one that AAC knows.
        crf: Constant rate factor.
        preset: x264 preset.
        times: When each frame is shown, seconds, strictly increasing; for a variable frame rate.
        rotation: Counter-clockwise degrees that players shall turn the picture by.

    Raises:
        ValueError: If there is no picture.
        StorageFullError: If there is no space; nothing is left.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError("a video needs at least one picture")
    rate = Fraction(frames_per_second).limit_denominator(1001)
    video = VideoSettings(
        width=first.shape[1] & ~1,
        height=first.shape[0] & ~1,
        rate=rate,
        time_base=Fraction(1, _TICKS_PER_SECOND),
        crf=crf,
        preset=preset,
        tags=_BT709,
        rotation=rotation,
    )
    sound = np.atleast_2d(audio) if audio is not None else np.zeros((0, 0), np.float32)
    settings = AudioSettings(sample_rate, sound.shape[0]) if audio is not None else None
    with writing(path, video, settings) as writer:
        encoded = _encoded(chain([first], pictures), times if times is not None else _steady(rate))
        write_beside(writer, encoded, audio_blocks(sound, sample_rate))
