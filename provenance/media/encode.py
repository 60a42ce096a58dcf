"""Writes MP4 files: video by x264 (or another encoder), sound by AAC, timestamps exactly as given.

In: frames with timestamps, sound as float32 blocks or packets to be copied. Out: one MP4 with its index in
front, in place by rename; nothing if anything fails. No metadata of any source is carried over.

H.264 needs even sides in 4:2:0: see `frames` for how sizes are made even.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame as EncodedFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from provenance.media.atomic import OutputFile, replacing
from provenance.media.frames import ColorTags
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits

_AUDIO_BLOCK = 1024
_MAX_THREADS = 8
_BITRATE_PER_CHANNEL = 96_000
# Sample rates the AAC encoder accepts (ISO/IEC 14496-3, table 1.18).
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How pictures are encoded.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        rate: Frames per second, on average; timestamps decide when each frame is shown.
        time_base: Seconds per tick of the frames' timestamps.
        crf: Constant rate factor; lower is better and larger.
        preset: Encoder's speed preset.
        codec: Encoder.
        tags: Colour tags.
        rotation: Counter-clockwise degrees that make a stored frame upright; written as display matrix.
        sample_aspect_ratio: Shape of a pixel.
        options: Further encoder options.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    crf: int = 18
    preset: str | None = "medium"
    codec: str = "libx264"
    tags: ColorTags = field(default_factory=ColorTags)
    rotation: int = 0
    sample_aspect_ratio: Fraction | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """How sound is encoded.

    Attributes:
        sample_rate: Samples per second of what is given.
        channels: 1 or 2.
        bit_rate: Bits per second; 96 kbit/s per channel if None.
        codec: Encoder.
    """

    sample_rate: int
    channels: int
    bit_rate: int | None = None
    codec: str = "aac"


class Writer:
    """An MP4 file being written; use `writing`.

    Give sound and pictures in step (within a few seconds of each other), so that players need not seek.

    Args:
        container: Open output.
        video: How pictures are encoded.
        audio: How sound is encoded, the stream it is copied from, or None.
    """

    def __init__(
        self, container: OutputContainer, video: VideoSettings, audio: AudioSettings | AudioStream | None
    ) -> None:
        self._container = container
        self._video = _add_video(container, video)
        self._time_base = video.time_base
        self._audio: AudioStream | None = None
        self._samples = 0
        self._pending: list[NDArray[np.float32]] = []
        self._settings = audio if isinstance(audio, AudioSettings) else None
        if isinstance(audio, AudioSettings):
            self._audio = _add_audio(container, audio)
        elif audio is not None:
            self._audio = container.add_stream_from_template(audio)

    def write_frame(self, frame: EncodedFrame) -> None:
        """Encode one yuv420p frame; its `pts` counts ticks of the time base and increases strictly."""
        frame.time_base = self._time_base
        self._container.mux(self._video.encode(frame))

    def write_audio(self, block: NDArray[np.float32]) -> None:
        """Encode sound.

        Args:
            block: `(channels, samples)` float32, full scale 1; what lies beyond is clipped.
        """
        if self._audio is None or self._settings is None:
            raise ValueError("this file has no sound to encode")
        if not block.shape[1]:
            return
        values = np.ascontiguousarray(np.clip(block, -1.0, 1.0), dtype=np.float32)
        layout = "mono" if self._settings.channels == 1 else "stereo"
        frame = AudioFrame.from_ndarray(values, "fltp", layout)
        frame.sample_rate = self._settings.sample_rate
        frame.time_base = Fraction(1, self._settings.sample_rate)
        frame.pts = self._samples
        self._samples += block.shape[1]
        self._container.mux(self._audio.encode(frame))

    def copy_audio(self, packet: "Packet[AudioStream]") -> None:
        """Copy one packet of sound as it is."""
        if self._audio is None:
            raise ValueError("this file has no sound")
        packet.stream = self._audio
        self._container.mux(packet)

    def finish(self) -> None:
        """Encode what the encoders still hold."""
        self._container.mux(self._video.encode(None))
        if self._audio is not None and self._settings is not None:
            self._container.mux(self._audio.encode(None))


def _add_video(container: OutputContainer, settings: VideoSettings) -> VideoStream:
    options = {"crf": str(settings.crf), **dict(settings.options)}
    if settings.preset is not None:
        options["preset"] = settings.preset
    stream = container.add_stream(
        settings.codec, rate=settings.rate, options=options, width=settings.width, height=settings.height
    )
    if not isinstance(stream, VideoStream):
        raise TypeError(f"`{settings.codec}` is not a video encoder")
    context = stream.codec_context
    # More threads than this gain little and cost memory in proportion.
    context.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
    stream.time_base = context.time_base = settings.time_base
    context.colorspace, context.color_range = settings.tags.space, settings.tags.range
    context.color_trc, context.color_primaries = settings.tags.transfer, settings.tags.primaries
    if settings.sample_aspect_ratio:
        context.sample_aspect_ratio = settings.sample_aspect_ratio
    if settings.rotation:
        stream.set_display_rotation(settings.rotation)
    return stream


def _add_audio(container: OutputContainer, settings: AudioSettings) -> AudioStream:
    stream = container.add_stream(settings.codec, rate=settings.sample_rate)
    if not isinstance(stream, AudioStream):
        raise TypeError(f"`{settings.codec}` is not a sound encoder")
    stream.codec_context.layout = "mono" if settings.channels == 1 else "stereo"
    stream.bit_rate = settings.bit_rate or _BITRATE_PER_CHANNEL * settings.channels
    return stream


@contextmanager
def _container(file: OutputFile) -> Iterator[OutputContainer]:
    # FFmpeg moves the index to the front by reading the file again under its name.
    container = av.open(file, "w", format="mp4", container_options={"movflags": "+faststart"})
    with container:
        yield container


@contextmanager
def writing(
    destination: Path,
    video: VideoSettings,
    audio: AudioSettings | AudioStream | None = None,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Iterator[Writer]:
    """Write an MP4 file that appears whole or not at all.

    Args:
        destination: Final place; replaced if it exists.
        video: How pictures are encoded.
        audio: How sound is encoded, the stream it is copied from, or None.
        limits: Limit on the size of the output.

    Yields:
        The writer.

    Raises:
        StorageFullError: If there is no space; nothing is left.
        MediaLimitError: If the output passes its size limit; nothing is left.
    """
    with (
        replacing(destination, max_bytes=limits.max_output_bytes) as file,
        _container(file) as container,
    ):
        writer = Writer(container, video, audio)
        yield writer
        writer.finish()


def audio_blocks(sound: NDArray[np.float32], sample_rate: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Cut sound into blocks to be written beside the pictures.

    Args:
        sound: `(channels, samples)` float32.
        sample_rate: Samples per second.

    Yields:
        Time of the block, seconds, and the block.
    """
    for start in range(0, sound.shape[1], _AUDIO_BLOCK):
        yield start / sample_rate, sound[:, start : start + _AUDIO_BLOCK]


def write_beside(
    writer: Writer,
    frames: Iterable[EncodedFrame],
    sound: "Iterable[tuple[float, NDArray[np.float32] | Packet[AudioStream]]]",
) -> None:
    """Write pictures and sound in step.

    Args:
        writer: Where to.
        frames: Pictures with timestamps.
        sound: Blocks or packets with their time, seconds.
    """
    rest = iter(sound)
    waiting = next(rest, None)
    for frame in frames:
        writer.write_frame(frame)
        now = float(frame.time or 0.0)
        while waiting is not None and waiting[0] <= now:
            _write_sound(writer, waiting[1])
            waiting = next(rest, None)
    while waiting is not None:
        _write_sound(writer, waiting[1])
        waiting = next(rest, None)


def _write_sound(writer: Writer, piece: "NDArray[np.float32] | Packet[AudioStream]") -> None:
    if isinstance(piece, Packet):
        writer.copy_audio(piece)
    else:
        writer.write_audio(piece)
