"""Outside video and sound as arrays, decoded in the sandbox.

In: a path. Out: upright BGR frames one by one, in constant memory; or mono sound.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from provenance.media.container import open_container
from provenance.media.decode import decode_audio, iterate_frames, thinned
from provenance.media.frames import to_bgr
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits, check_file
from provenance.media.sandbox import run_sandboxed, stream_sandboxed


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One decoded picture.

    Attributes:
        seconds: When it is shown, counted from the beginning of the file.
        bgr: `(height, width, 3)` uint8 BGR, upright.
    """

    seconds: float
    bgr: NDArray[np.uint8]


def decode_frames(
    path: Path,
    limits: MediaLimits = DEFAULT_LIMITS,
    max_side: int | None = None,
    frames_per_second: float | None = None,
) -> Iterator[VideoFrame]:
    """As `stream_frames`, in this process; only inside the sandbox, or on media we made ourselves."""
    with open_container(path, limits) as container:
        frames = iterate_frames(container, limits)
        if frames_per_second is not None:
            frames = thinned(frames, frames_per_second)
        for frame in frames:
            yield VideoFrame(float(frame.time or 0.0), to_bgr(frame, max_side))


def stream_frames(
    path: Path,
    limits: MediaLimits = DEFAULT_LIMITS,
    *,
    max_side: int | None = None,
    frames_per_second: float | None = None,
) -> Generator[VideoFrame, None, None]:
    """Decode an outside video in the sandbox and hand over its frames as they come.

    Args:
        path: The file.
        limits: Limits in force.
        max_side: Longest side wanted, pixels; larger pictures are scaled down before they leave the sandbox.
        frames_per_second: Take at most so many frames of each second.

    Yields:
        Frames in display order.

    Raises:
        MediaError: If the file is refused or breaks off.
    """
    check_file(path, limits)
    with closing(
        stream_sandboxed(decode_frames, path, limits, max_side, frames_per_second, limits=limits)
    ) as frames:
        yield from frames


def decode_sound(path: Path, limits: MediaLimits, sample_rate: int) -> NDArray[np.float32]:
    """As `read_audio`, in this process; only inside the sandbox, or on media we made ourselves."""
    with open_container(path, limits) as container:
        sound, _ = decode_audio(container, limits, sample_rate=sample_rate, mono=True)
        return sound.reshape(-1)


def read_audio(path: Path, limits: MediaLimits = DEFAULT_LIMITS, *, sample_rate: int) -> NDArray[np.float32]:
    """Decode the sound of an outside file in the sandbox.

    Args:
        path: The file.
        limits: Limits in force.
        sample_rate: Samples per second wanted.

    Returns:
        `(samples,)` float32, mono, full scale 1.

    Raises:
        NoAudioError: If there is no sound.
        MediaError: If the file is refused.
    """
    check_file(path, limits)
    return run_sandboxed(decode_sound, path, limits, sample_rate, limits=limits)
