"""Encodes a clip anew with a changed luma plane and changed sound, everything else as it was.

In: a clip, what to do to each luma plane, what to do to the sound. Out: an H.264 MP4 with the same timestamps
(variable frame rates too), colour tags, rotation and pixel shape; sound processed and encoded as AAC, or
copied packet by packet when it is not touched. One video frame is held at a time; sound is held whole.

Call only inside the sandbox, or on media we made ourselves. Metadata of the source is not carried over: it
may hold a place or a person, and a manifest is the place for what shall be known.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame as DecodedFrame
from numpy.typing import NDArray

from provenance.errors import UnsupportedMediaError
from provenance.media.container import find_audio, need_audio, need_video, open_container
from provenance.media.decode import Timing, decode_audio, iterate_frames, video_timing
from provenance.media.encode import (
    AAC_RATES,
    AudioSettings,
    VideoSettings,
    audio_blocks,
    write_beside,
    writing,
)
from provenance.media.frames import ColorTags, from_planes, planes_of, quarter_turns, upright
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits

if TYPE_CHECKING:
    from av.packet import Packet

LumaChange = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
AudioChange = Callable[[NDArray[np.float32], int], NDArray[np.float32]]
Progress = Callable[[float], None]
Sound = Iterator["tuple[float, NDArray[np.float32] | Packet[AudioStream]]"]

_COPIED_CODECS = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")


@dataclass(frozen=True, slots=True)
class LumaFrame:
    """One decoded luma plane.

    Attributes:
        seconds: When it is shown.
        luma: `(height, width)` uint8, upright, sides even.
    """

    seconds: float
    luma: NDArray[np.uint8]


def iterate_luma(path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> Iterator[LumaFrame]:
    """Decode the luma planes exactly as `rewrite` shows them to its callback.

    Args:
        path: The clip.
        limits: Limits in force.

    Yields:
        Planes in display order; they are views, valid until the next one is asked for.

    Raises:
        MediaError: If the clip is refused or breaks off.
    """
    with open_container(path, limits) as container:
        for frame in iterate_frames(container, limits):
            yield LumaFrame(float(frame.time or 0.0), upright(planes_of(frame)[0], quarter_turns(frame)))


def read_sound(
    path: Path, limits: MediaLimits = DEFAULT_LIMITS, *, sample_rate: int | None = None, mono: bool = False
) -> tuple[NDArray[np.float32], int]:
    """Decode the sound exactly as `rewrite` shows it to its callback.

    Args:
        path: The clip.
        limits: Limits in force.
        sample_rate: Samples per second wanted; its own if None.
        mono: Whether to mix to one channel.

    Returns:
        `(channels, samples)` float32, one or two channels, and the sample rate.

    Raises:
        NoAudioError: If there is no sound.
    """
    with open_container(path, limits) as container:
        return decode_audio(container, limits, sample_rate=sample_rate, mono=mono)


def rewrite(
    source: Path,
    destination: Path,
    *,
    luma: LumaChange | None = None,
    audio: AudioChange | None = None,
    crf: int = 18,
    preset: str = "medium",
    limits: MediaLimits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> None:
    """Encode a clip anew, changing luma and sound.

    Args:
        source: The clip.
        destination: Where to write, whole or not at all.
        luma: Given an upright luma plane `(height, width)` uint8 (a view, not to be written), returns one of
            the same shape; called once per frame, in display order.
        audio: Given `(channels, samples)` float32 and the sample rate, returns the same shape. None copies
            the sound as it is. Not called for a clip without sound.
        crf: Constant rate factor.
        preset: x264 preset.
        limits: Limits in force.
        progress: Called with fractions 0..1.

    Raises:
        NoVideoError: If there is no moving picture.
        MediaError: If the clip is refused or breaks off.
        StorageFullError: If there is no space; nothing is left.
    """
    with ExitStack() as stack:
        container = stack.enter_context(open_container(source, limits))
        timing = video_timing(container, limits)
        settings, sound = _sound(stack, source, audio, timing, limits)
        frames = iterate_frames(container, limits)
        first = next(frames)
        video = _video_settings(container, first, timing, limits, crf, preset)
        with writing(destination, video, settings, limits=limits) as writer:
            changed = _changed(first, frames, luma, video.tags, timing, progress)
            write_beside(writer, changed, sound)
    if progress is not None:
        progress(1.0)


def _video_settings(
    container: InputContainer,
    first: DecodedFrame,
    timing: Timing,
    limits: MediaLimits,
    crf: int,
    preset: str,
) -> VideoSettings:
    return VideoSettings(
        width=first.width & ~1,
        height=first.height & ~1,
        rate=timing.rate,
        time_base=timing.time_base,
        crf=crf,
        preset=preset,
        tags=ColorTags.of(first),
        rotation=quarter_turns(first) * 90,
        sample_aspect_ratio=need_video(container, limits).sample_aspect_ratio,
    )


def _changed(
    first: DecodedFrame,
    rest: Iterator[DecodedFrame],
    luma: LumaChange | None,
    tags: ColorTags,
    timing: Timing,
    progress: Progress | None,
) -> Iterator[DecodedFrame]:
    size = (first.height, first.width)
    turns = quarter_turns(first)
    frame: DecodedFrame | None = first
    while frame is not None:
        if (frame.height, frame.width) != size:
            raise UnsupportedMediaError("the picture changes its size within the clip")
        yield _change(frame, luma, tags, turns)
        if progress is not None and timing.seconds:
            progress(min(float(frame.time or 0.0) / timing.seconds, 1.0))
        frame = next(rest, None)


def _change(frame: DecodedFrame, luma: LumaChange | None, tags: ColorTags, turns: int) -> DecodedFrame:
    bright, blue, red = planes_of(frame)
    if luma is not None:
        shown = upright(bright, turns)
        changed = luma(shown)
        if changed.shape != shown.shape or changed.dtype != np.uint8:
            raise ValueError(f"a luma plane must keep its shape {shown.shape} and be uint8")
        bright = upright(changed, -turns % 4)
    result = from_planes(bright, blue, red, tags)
    result.pts, result.time_base = frame.pts, frame.time_base
    return result


def _sound(
    stack: ExitStack, source: Path, change: AudioChange | None, timing: Timing, limits: MediaLimits
) -> tuple[AudioSettings | AudioStream | None, Sound]:
    """How the sound is written, and its pieces with their times."""
    container = stack.enter_context(open_container(source, limits))
    stream = find_audio(container)
    if stream is None:
        return None, iter(())
    if change is None and stream.codec_context.codec.canonical_name in _COPIED_CODECS:
        need_audio(container)
        return stream, _packets(container, stream, timing.start)
    own = stream.sample_rate
    samples, rate = decode_audio(
        container, limits, sample_rate=min(AAC_RATES, key=lambda known: abs(known - own))
    )
    changed = change(samples, rate) if change is not None else samples
    if changed.shape != samples.shape:
        raise ValueError(f"the sound must keep its shape {samples.shape}, not {changed.shape}")
    return AudioSettings(rate, changed.shape[0]), audio_blocks(changed, rate)


def _packets(container: InputContainer, stream: AudioStream, start: Fraction) -> Sound:
    base = stream.time_base or Fraction(1, stream.sample_rate)
    offset = round(start / base)
    for packet in container.demux(stream):
        if packet.dts is None or packet.size == 0:
            continue
        packet.dts -= offset
        if packet.pts is not None:
            packet.pts -= offset
        yield float(packet.dts * base), packet
