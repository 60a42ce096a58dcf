"""Encodes a clip anew as the world does: lower quality, smaller, other codec, all metadata gone.

In: a clip. Out: an MP4. Tests, the demo and benchmarks use it to attack marks; it keeps nothing that the
pictures and the sound do not carry. Call only inside the sandbox, or on media we made ourselves.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame as DecodedFrame

from provenance.errors import UnsupportedMediaError
from provenance.media.container import find_audio, open_container
from provenance.media.decode import Timing, decode_audio, iterate_frames, thinned, video_timing
from provenance.media.encode import AudioSettings, VideoSettings, audio_blocks, write_beside, writing
from provenance.media.frames import ColorTags, quarter_turns
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits
from provenance.media.rewrite import Sound

_SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Options an encoder needs for constant quality, beyond `crf` and `preset`."""

    preset: str | None
    options: tuple[tuple[str, str], ...] = ()


_ENCODERS = {
    "libx264": _Encoder("medium"),
    "libx265": _Encoder("fast", (("x265-params", "log-level=none"),)),
    "libvpx-vp9": _Encoder(None, (("b", "0"), ("deadline", "realtime"), ("cpu-used", "6"))),
    "libsvtav1": _Encoder("10"),
}


def transcode(  # noqa: PLR0913  # all but two are optional and named
    source: Path,
    destination: Path,
    *,
    crf: int = 28,
    codec: str = "libx264",
    preset: str | None = None,
    height: int | None = None,
    scale: float | None = None,
    frames_per_second: float | None = None,
    keep_audio: bool = True,
    audio_codec: str = "aac",
    audio_bit_rate: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> None:
    """Encode a clip anew.

    Args:
        source: The clip.
        destination: Where to write the MP4, whole or not at all.
        crf: Constant rate factor.
        codec: `libx264`, `libx265`, `libvpx-vp9` or `libsvtav1`.
        preset: Encoder's speed preset; a sensible one if None.
        height: Height of the stored picture, pixels; the width follows.
        scale: Factor on both sides, instead of `height`.
        frames_per_second: Lower the frame rate by dropping frames.
        keep_audio: Whether sound is kept.
        audio_codec: `aac`, `libopus` or `libmp3lame`.
        audio_bit_rate: Bits per second.
        limits: Limits in force.

    Raises:
        UnsupportedMediaError: If the codec is not one of those.
        MediaError: If the clip is refused or breaks off.
        StorageFullError: If there is no space; nothing is left.
    """
    if codec not in _ENCODERS:
        raise UnsupportedMediaError(f"cannot encode with `{codec}`")
    with ExitStack() as stack:
        container = stack.enter_context(open_container(source, limits))
        timing = video_timing(container, limits)
        frames = iterate_frames(container, limits)
        if frames_per_second is not None:
            frames = thinned(frames, frames_per_second)
        first = next(frames)
        width, tall = _size(first, height, scale)
        encoder = _ENCODERS[codec]
        video = VideoSettings(
            width=width,
            height=tall,
            rate=_rate(timing, frames_per_second),
            time_base=timing.time_base,
            crf=crf,
            preset=preset or encoder.preset,
            codec=codec,
            tags=ColorTags.of(first),
            rotation=quarter_turns(first) * 90,
            options=encoder.options,
        )
        settings, sound = _sound(stack, source, keep_audio, audio_codec, audio_bit_rate, limits)
        with writing(destination, video, settings, limits=limits) as writer:
            write_beside(writer, _resized(first, frames, width, tall), sound)


def _rate(timing: Timing, frames_per_second: float | None) -> Fraction:
    if frames_per_second is None:
        return timing.rate
    return min(timing.rate, Fraction(frames_per_second).limit_denominator(1001))


def _size(first: DecodedFrame, height: int | None, scale: float | None) -> tuple[int, int]:
    factor = height / first.height if height is not None else (scale or 1.0)
    return max(2, round(first.width * factor / 2) * 2), max(2, round(first.height * factor / 2) * 2)


def _resized(
    first: DecodedFrame, rest: Iterator[DecodedFrame], width: int, height: int
) -> Iterator[DecodedFrame]:
    frame: DecodedFrame | None = first
    while frame is not None:
        resized = frame.reformat(width, height, "yuv420p", interpolation="BICUBIC")
        resized.pts, resized.time_base = frame.pts, frame.time_base
        yield resized
        frame = next(rest, None)


def _sound(
    stack: ExitStack, source: Path, keep: bool, codec: str, bit_rate: int | None, limits: MediaLimits
) -> tuple[AudioSettings | None, Sound]:
    container = stack.enter_context(open_container(source, limits))
    if not keep or find_audio(container) is None:
        return None, iter(())
    samples, rate = decode_audio(container, limits, sample_rate=_SAMPLE_RATE)
    return AudioSettings(rate, samples.shape[0], bit_rate, codec), audio_blocks(samples, rate)
