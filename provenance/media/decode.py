"""Decodes video and sound of an open container, frame by frame, within the limits.

In: an open container. Out: frames in display order with exact timestamps; sound as float32 at its own rate.
Call only inside the sandbox, or on media we made ourselves.

A damaged packet ends decoding with `MalformedMediaError`: guessing at what is missing would make a verdict
about a file that nobody made.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.video.frame import VideoFrame as DecodedFrame
from numpy.typing import NDArray

from provenance.errors import EmptyMediaError, MalformedMediaError, MediaLimitError, NoAudioError
from provenance.media.container import duration_of, frame_rate, need_audio, need_video
from provenance.media.failures import translated
from provenance.media.limits import MediaLimits

MAX_SAMPLE_RATE = 192_000
_DEFAULT_RATE = Fraction(30)
_GAP_SECONDS = 0.1
# Mixing channels down averages them, so that full scale stays 1.
_MIXING = {"rematrix_maxval": "1.0"}
# Forgives timestamps that were rounded down by up to a hundredth of a slot.
_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class Timing:
    """When frames are shown.

    Attributes:
        time_base: Seconds per tick of a timestamp.
        rate: Frames per second, on average.
        start: Time of the container's beginning, seconds; timestamps count from there.
        seconds: Declared length, 0 if unknown.
    """

    time_base: Fraction
    rate: Fraction
    start: Fraction
    seconds: float


def video_timing(container: InputContainer, limits: MediaLimits) -> Timing:
    """Timing of the moving picture.

    Raises:
        NoVideoError: If there is none.
    """
    stream = need_video(container, limits)
    rate = frame_rate(stream) or _DEFAULT_RATE
    time_base = stream.time_base or 1 / rate
    start = Fraction(container.start_time, 1_000_000) if container.start_time else Fraction(0)
    return Timing(time_base, rate, start, duration_of(container))


def iterate_frames(container: InputContainer, limits: MediaLimits) -> Iterator[DecodedFrame]:
    """Decode the moving picture.

    Args:
        container: Open container.
        limits: Limits in force; they hold for what is decoded, whatever the headers said.

    Yields:
        Frames whose `pts` are strictly increasing ticks of their `time_base`, counted from the container's
        beginning; missing timestamps are filled in from the frame rate.

    Raises:
        NoVideoError: If there is no moving picture.
        MalformedMediaError: If a packet is damaged.
        MediaLimitError: If there are too many frames, too long, or too large.
        EmptyMediaError: If there is not one frame.
    """
    timing = video_timing(container, limits)
    stream = need_video(container, limits)
    offset = round(timing.start / timing.time_base)
    step = max(1, round(1 / (timing.rate * timing.time_base)))
    last: int | None = None
    count = 0
    with translated():
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise MalformedMediaError("the video is damaged or cut short")
            for frame in packet.decode():
                count += 1
                limits.check_frames(count)
                limits.check_picture(frame.width, frame.height)
                last = _place(frame, last, offset, step)
                limits.check_duration(float(last * timing.time_base))
                frame.time_base = timing.time_base
                yield frame
    if count == 0:
        raise EmptyMediaError("the video holds not one frame")


def thinned(frames: Iterator[DecodedFrame], frames_per_second: float) -> Iterator[DecodedFrame]:
    """Lower a frame rate by dropping frames: time is cut into slots, the first frame of each is kept.

    Args:
        frames: Frames in display order.
        frames_per_second: Most frames of each second.

    Yields:
        The frames that are kept.
    """
    last = -1
    for frame in frames:
        slot = math.floor(float(frame.time or 0.0) * frames_per_second + _ROUNDING)
        if slot > last:
            last = slot
            yield frame


def _place(frame: DecodedFrame, last: int | None, offset: int, step: int) -> int:
    """Give a frame its timestamp: its own, or one step after the last, and always after the last."""
    wanted = frame.pts - offset if frame.pts is not None else (0 if last is None else last + step)
    placed = wanted if last is None else max(wanted, last + 1)
    frame.pts = placed
    return placed


def _samples(frame: AudioFrame, channels: int) -> NDArray[np.float32]:
    values = np.asarray(frame.to_ndarray(), dtype=np.float32)
    return values.reshape(channels, -1)


def iterate_audio(
    container: InputContainer, limits: MediaLimits, *, sample_rate: int | None = None, mono: bool = False
) -> Iterator[NDArray[np.float32]]:
    """Decode the sound.

    Args:
        container: Open container.
        limits: Limits in force.
        sample_rate: Samples per second wanted; its own if None.
        mono: Whether to mix to one channel; otherwise one or two channels, as recorded (more are mixed to
            two).

    Yields:
        `(channels, samples)` float32, full scale 1. Silence stands where the sound begins late or has gaps.

    Raises:
        NoAudioError: If there is no sound.
        MalformedMediaError: If a packet is damaged.
        MediaLimitError: If it lasts too long.
    """
    stream = need_audio(container)
    rate = sample_rate or checked_rate(stream.sample_rate)
    channels = 1 if mono or stream.channels == 1 else 2
    layout = "mono" if channels == 1 else "stereo"
    resampler = AudioResampler("fltp", layout, rate, options=_MIXING)
    start = Fraction(container.start_time, 1_000_000) if container.start_time else Fraction(0)
    written = 0
    with translated():
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise MalformedMediaError("the sound is damaged or cut short")
            for frame in packet.decode():
                gap = _gap(frame, start, written, rate)
                limits.check_duration((written + gap) / rate)
                if gap:
                    written += gap
                    yield np.zeros((channels, gap), np.float32)
                for block in _resampled(resampler, frame, channels):
                    written += block.shape[1]
                    limits.check_duration(written / rate)
                    yield block
        yield from _resampled(resampler, None, channels)


def _gap(frame: AudioFrame, start: Fraction, written: int, rate: int) -> int:
    """Samples of silence due before a frame."""
    if frame.pts is None or frame.time_base is None:
        return 0
    missing = round((frame.pts * frame.time_base - start) * rate) - written
    return missing if missing > _GAP_SECONDS * rate else 0


def _resampled(
    resampler: AudioResampler, frame: AudioFrame | None, channels: int
) -> Iterator[NDArray[np.float32]]:
    if frame is not None:
        frame.pts = None  # samples are counted, not timed: gaps are filled by the caller
    for block in resampler.resample(frame):
        yield _samples(block, channels)


def checked_rate(rate: int) -> int:
    """A sample rate within reason.

    Raises:
        MediaLimitError: If it is above 192 kHz.
        MalformedMediaError: If it is not positive.
    """
    if rate <= 0:
        raise MalformedMediaError("the sound declares no sample rate")
    if rate > MAX_SAMPLE_RATE:
        raise MediaLimitError("the sound has an absurd sample rate")
    return rate


def decode_audio(
    container: InputContainer, limits: MediaLimits, *, sample_rate: int | None = None, mono: bool = False
) -> tuple[NDArray[np.float32], int]:
    """Decode the whole sound.

    Args:
        container: Open container.
        limits: Limits in force.
        sample_rate: Samples per second wanted; its own if None.
        mono: Whether to mix to one channel.

    Returns:
        `(channels, samples)` float32 and the sample rate.

    Raises:
        NoAudioError: If there is no sound, or not one sample.
    """
    rate = sample_rate or checked_rate(need_audio(container).sample_rate)
    blocks = list(iterate_audio(container, limits, sample_rate=rate, mono=mono))
    if not sum(block.shape[1] for block in blocks):
        raise NoAudioError("the sound holds not one sample")
    return np.concatenate(blocks, axis=1), rate
