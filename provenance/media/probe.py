"""What kind of media a file is, from its headers, without decoding it.

In: a path. Out: `MediaInfo`, or an error that says why it is refused.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
from av.container import InputContainer

from provenance.errors import UnsupportedMediaError
from provenance.media.container import (
    duration_of,
    find_audio,
    find_video,
    frame_rate,
    need_video,
    open_container,
)
from provenance.media.frames import quarter_turns
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits, check_file
from provenance.media.sandbox import run_sandboxed


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the headers of a media file say.

    Attributes:
        container: FFmpeg's name of the container format.
        seconds: Declared length; 0 if the container declares none.
        width: Pixels per stored row, before rotation; None without video.
        height: Stored rows; None without video.
        frames_per_second: Average frame rate; None without video or if unknown.
        has_video: Whether there are moving pictures (a cover picture does not count).
        has_audio: Whether there is sound.
        video_codec: FFmpeg's name of the video codec.
        audio_codec: FFmpeg's name of the audio codec.
        sample_rate: Samples per second; None without sound.
        rotation: Counter-clockwise degrees (0, 90, 180, 270) that make a stored frame upright.
    """

    container: str
    seconds: float
    width: int | None
    height: int | None
    frames_per_second: Fraction | None
    has_video: bool
    has_audio: bool
    video_codec: str | None
    audio_codec: str | None
    sample_rate: int | None
    rotation: int


def _rotation(container: InputContainer, limits: MediaLimits) -> int:
    """Rotation of the first frame, which alone shows it; 0 where it cannot be decoded."""
    try:
        for frame in container.decode(need_video(container, limits)):
            return quarter_turns(frame) * 90
    except (UnsupportedMediaError, av.error.FFmpegError):
        return 0
    return 0


def read_headers(path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> MediaInfo:
    """Read the headers in this process; only inside the sandbox, or on media we made ourselves.

    Args:
        path: The file.
        limits: Limits in force.

    Returns:
        What the headers say.

    Raises:
        MediaError: If the file is refused.
    """
    with open_container(path, limits) as container:
        video, audio = find_video(container), find_audio(container)
        return MediaInfo(
            container=container.format.name,
            seconds=duration_of(container),
            width=video.width if video else None,
            height=video.height if video else None,
            frames_per_second=frame_rate(video) if video else None,
            has_video=video is not None,
            has_audio=audio is not None,
            video_codec=video.codec_context.codec.canonical_name if video else None,
            audio_codec=audio.codec_context.codec.canonical_name if audio else None,
            sample_rate=audio.sample_rate if audio else None,
            rotation=_rotation(container, limits) if video else 0,
        )


def probe(path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> MediaInfo:
    """Read the headers of an outside file, in the sandbox.

    Args:
        path: The file.
        limits: Limits in force.

    Returns:
        What the headers say.

    Raises:
        MediaError: If the file is refused.
    """
    check_file(path, limits)
    return run_sandboxed(read_headers, path, limits, limits=limits)
