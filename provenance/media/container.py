"""Opens outside containers: only formats and codecs we mean to read, only from one local file, within limits.

In: a path and limits. Out: an open PyAV container whose headers were checked before any frame is decoded.
Call only inside the sandbox, or on media we made ourselves.

FFmpeg would otherwise follow playlists, concatenation scripts and network addresses, and try a few hundred
rarely used demuxers and decoders.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from provenance.errors import (
    EmptyMediaError,
    MalformedMediaError,
    MediaLimitError,
    NoAudioError,
    NotMediaError,
    NoVideoError,
    UnsupportedMediaError,
)
from provenance.media.completeness import check_complete
from provenance.media.failures import translated
from provenance.media.limits import MediaLimits, check_file

DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,wav,mp3,flac,ogg,aac"
VIDEO_DECODERS = frozenset(
    {
        *("h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1"),
        *("mpeg1video", "mpeg2video", "mpeg4", "h263", "mjpeg", "png", "prores", "dnxhd", "theora", "ffv1"),
    }
)
AUDIO_DECODERS = frozenset(
    {
        *("aac", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis", "libvorbis", "flac"),
        *("alac", "ac3", "eac3", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
        *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"),
        *("pcm_f64le", "pcm_u8", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"),
    }
)
_DECODER_THREADS = 2
_MIN_RATE, _MAX_RATE = Fraction(1, 10), 240
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": DEMUXERS,
    "codec_whitelist": ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS)),
    "enable_drefs": "0",
    "max_probe_packets": "500",
}
# First bytes of containers we read: with these, a file that does not open is broken rather than something
# else.
_SIGNATURES = (
    *((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (0, b"\x1aE\xdf\xa3"), (0, b"RIFF")),
    *((0, b"OggS"), (0, b"fLaC"), (0, b"ID3"), (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3")),
)


def _looks_like_media(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    return any(head[offset : offset + len(magic)] == magic for offset, magic in _SIGNATURES)


def _open(path: Path) -> InputContainer:
    options = dict(_OPTIONS)
    try:
        # The scheme keeps a name such as `concat:x` from being read as a protocol.
        return av.open(f"file:{path.absolute()}", "r", options=options, metadata_errors="replace")
    except (
        av.error.InvalidDataError,
        av.error.LookupError,
        av.error.EOFError,
        av.error.ArgumentError,
    ) as error:
        if _looks_like_media(path):
            raise MalformedMediaError("the container is broken or cut short") from error
        raise NotMediaError("not a media container this library reads") from error


def duration_of(container: InputContainer) -> float:
    """Length the container declares, seconds; 0 when it declares none."""
    declared = [Fraction(container.duration, 1_000_000)] if container.duration else []
    declared += [
        stream.duration * stream.time_base
        for stream in container.streams
        if stream.type in ("video", "audio") and stream.duration and stream.time_base
    ]
    return float(max(declared, default=Fraction(0)))


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Average frames per second, if the container states or implies one within reason."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and _MIN_RATE <= rate <= _MAX_RATE:
            return rate
    return None


def find_video(container: InputContainer) -> VideoStream | None:
    """First stream of moving pictures; a cover picture in a sound file is not one."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            return stream
    return None


def find_audio(container: InputContainer) -> AudioStream | None:
    """First stream of sound."""
    return next(iter(container.streams.audio), None)


def check_headers(container: InputContainer, limits: MediaLimits) -> None:
    """Refuse what the headers already show to be too much.

    Raises:
        MediaLimitError: If size, duration or frame count pass the limits.
        MalformedMediaError: If the moving picture has no size.
        UnsupportedMediaError: If FFmpeg does not know its codec.
        EmptyMediaError: If there is neither picture nor sound.
    """
    limits.check_duration(duration_of(container))
    video = find_video(container)
    if video is not None:
        if video.codec_context is None:
            raise UnsupportedMediaError("the codec of the moving picture is unknown")
        if not video.width or not video.height:
            raise MalformedMediaError("the moving picture has no size")
        limits.check_picture(video.width, video.height)
        limits.check_frames(video.frames)
    elif find_audio(container) is None:
        raise EmptyMediaError("the container holds neither picture nor sound")


@contextmanager
def open_container(path: Path, limits: MediaLimits) -> Iterator[InputContainer]:
    """Open a media file and check its headers.

    Args:
        path: The file.
        limits: Limits in force.

    Yields:
        The open container.

    Raises:
        MediaError: If it is empty, not media, broken, unsupported or beyond the limits.
    """
    size = check_file(path, limits)
    with translated(), _open(path) as container:
        if len(container.streams) > limits.max_streams:
            raise MediaLimitError(f"the container holds more than {limits.max_streams} streams")
        check_complete(container, path, size)
        check_headers(container, limits)
        yield container


def need_video(container: InputContainer, limits: MediaLimits) -> VideoStream:
    """The stream of moving pictures, set up to be decoded within the limits.

    Raises:
        NoVideoError: If there is none.
        UnsupportedMediaError: If its codec is not one we read.
    """
    stream = find_video(container)
    if stream is None:
        raise NoVideoError("the file holds no moving picture")
    _check_decoder(stream, VIDEO_DECODERS)
    if not stream.codec_context.is_open:
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = _DECODER_THREADS
    return stream


def need_audio(container: InputContainer) -> AudioStream:
    """The stream of sound.

    Raises:
        NoAudioError: If there is none.
        UnsupportedMediaError: If its codec is not one we read.
    """
    stream = find_audio(container)
    if stream is None:
        raise NoAudioError("the file holds no sound")
    _check_decoder(stream, AUDIO_DECODERS)
    return stream


def _check_decoder(stream: VideoStream | AudioStream, known: frozenset[str]) -> None:
    name = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if name not in known:
        raise UnsupportedMediaError(f"the codec `{name}` is not supported")
