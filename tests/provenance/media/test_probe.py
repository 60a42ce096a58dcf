import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.errors import (
    EmptyMediaError,
    MalformedMediaError,
    MediaError,
    MediaLimitError,
    NotMediaError,
    UnsupportedMediaError,
)
from provenance.media import MediaLimits, probe, stream_frames, write_video

Pictures = Callable[[int, int, int], Iterator[NDArray[np.uint8]]]


def remux(source: Path, destination: Path, format_name: str) -> Path:
    """Copy every stream into another container."""
    with av.open(str(source)) as reader, av.open(str(destination), "w", format=format_name) as writer:
        copies = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        for packet in reader.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                writer.mux(packet)
    return destination


def motion_jpeg(destination: Path, pictures: Iterator[NDArray[np.uint8]], width: int, height: int) -> Path:
    with av.open(str(destination), "w", format="avi") as writer:
        stream = writer.add_stream("mjpeg", rate=10, width=width, height=height)
        stream.pix_fmt = "yuvj420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuvj420p")
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return destination


def test_headers_are_read(clip: Path) -> None:
    info = probe(clip)
    assert (info.width, info.height, info.frames_per_second) == (320, 240, Fraction(30))
    assert (info.has_video, info.video_codec, info.has_audio, info.audio_codec) == (True, "h264", True, "aac")
    assert info.sample_rate == 48_000
    assert info.seconds == pytest.approx(1.0, abs=0.05)
    assert info.rotation == 0


def test_a_silent_clip_has_no_sound(silent_clip: Path) -> None:
    info = probe(silent_clip)
    assert info.has_video
    assert not info.has_audio
    assert info.audio_codec is None


def test_rotation_is_read(tmp_path: Path, pictures: Pictures) -> None:
    write_video(tmp_path / "clip.mp4", pictures(3, 160, 120), 30, rotation=270)
    info = probe(tmp_path / "clip.mp4")
    assert (info.width, info.height, info.rotation) == (160, 120, 270)


@pytest.mark.parametrize("name", ["clip.avi", "clip.txt", "clip", "concat:clip.mp4", "http:clip", "%d.mp4"])
def test_the_content_counts_not_the_name(clip: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert probe(tmp_path / name).video_codec == "h264"


@pytest.mark.parametrize(
    ("name", "format_name"), [("a.mkv", "matroska"), ("a.mov", "mov"), ("a.ts", "mpegts")]
)
def test_other_containers_are_read(clip: Path, tmp_path: Path, name: str, format_name: str) -> None:
    info = probe(remux(clip, tmp_path / name, format_name))
    assert (info.video_codec, info.audio_codec) == ("h264", "aac")
    assert info.frames_per_second == 30


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(EmptyMediaError):
        probe(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    "content",
    [
        b"hello world\n" * 100,
        b"\x00" * 4096,
        bytes(range(256)) * 16,
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        b"GIF89a" + b"\x00" * 100,
        # Playlists, scripts and subtitles that would make FFmpeg open other files or addresses.
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\n",
        b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    ],
)
def test_what_is_not_media_is_refused_under_any_name(tmp_path: Path, content: bytes) -> None:
    for name in ("clip.mp4", "clip.m3u8"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NotMediaError):
            probe(tmp_path / name)


@pytest.mark.parametrize(("name", "format_name"), [("a.mkv", "matroska"), ("a.mov", "mov"), ("a.mp4", "mp4")])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_file_cut_short_is_refused(
    clip: Path, tmp_path: Path, name: str, format_name: str, share: float
) -> None:
    whole = remux(clip, tmp_path / name, format_name).read_bytes() if name != "a.mp4" else clip.read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises((MalformedMediaError, EmptyMediaError)):
        probe(tmp_path / name)


def test_an_avi_cut_short_is_refused(tmp_path: Path, pictures: Pictures) -> None:
    path = motion_jpeg(tmp_path / "clip.avi", pictures(5, 160, 120), 160, 120)
    assert probe(path).video_codec == "mjpeg"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(MalformedMediaError, match="cut short"):
        probe(path)


def test_a_header_that_claims_a_huge_picture_is_refused(tmp_path: Path, pictures: Pictures) -> None:
    path, huge = tmp_path / "clip.webm", 0x3FFF
    with av.open(str(path), "w", format="webm") as writer:
        stream = writer.add_stream("libvpx", rate=10, width=320, height=256)
        stream.pix_fmt = "yuv420p"
        for picture in pictures(2, 320, 256):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    data = path.read_bytes()
    for old, new in (
        (b"\xb0\x82\x01\x40", b"\xb0\x82" + struct.pack(">H", huge)),  # Matroska's width
        (b"\xba\x82\x01\x00", b"\xba\x82" + struct.pack(">H", huge)),  # and height
        (struct.pack("<HH", 320, 256), struct.pack("<HH", huge, huge)),  # VP8 key frames
    ):
        assert old in data
        data = data.replace(old, new)
    path.write_bytes(data)
    with pytest.raises(MediaLimitError, match="too large: 16383x16383"):
        probe(path)
    # With less memory than one such picture takes, it is a limit all the same.
    with pytest.raises(MediaLimitError):
        probe(path, MediaLimits(max_memory_bytes=256 * 1024 * 1024, max_wall_seconds=20))


def test_a_wide_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, (np.zeros((64, 16_384, 3), np.uint8) for _ in range(2)), 10, preset="ultrafast")
    with pytest.raises(MediaLimitError, match="too large: 16384x64"):
        probe(path)


def test_a_picture_without_size_is_refused(tmp_path: Path, pictures: Pictures) -> None:
    path = motion_jpeg(tmp_path / "clip.avi", pictures(2, 160, 120), 160, 120)
    data = path.read_bytes()
    data = data.replace(struct.pack("<ii", 160, 120), struct.pack("<ii", 16_384, 16_384))
    data = data.replace(
        struct.pack(">HH", 120, 160), struct.pack(">HH", 16_384, 16_384)
    )  # JPEG frame headers
    path.write_bytes(data)
    with pytest.raises(MediaError):
        probe(path)


def test_limits_of_the_headers_are_enforced(clip: Path) -> None:
    for limits, words in (
        (MediaLimits(max_seconds=0.5), "lasts longer"),
        (MediaLimits(max_side=300), "picture is too large"),
        (MediaLimits(max_pixels=70_000), "picture is too large"),
        (MediaLimits(max_frames=29), "more than 29 frames"),
        (MediaLimits(max_streams=1), "more than 1 streams"),
        (MediaLimits(max_bytes=1000), "larger than 1000 bytes"),
    ):
        with pytest.raises(MediaLimitError, match=words):
            probe(clip, limits)


def test_limits_hold_for_what_is_decoded_too(clip: Path, tmp_path: Path) -> None:
    stream = remux(clip, tmp_path / "clip.ts", "mpegts")  # a container that states no frame count
    limits = MediaLimits(max_frames=10)
    assert probe(stream, limits).has_video
    with pytest.raises(MediaLimitError, match="more than 10 frames"):
        list(stream_frames(stream, limits))


def test_an_absurd_duration_is_refused(tmp_path: Path, pictures: Pictures) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, pictures(3, 160, 120), 30, times=(0.0, 1.0, 9_000.0))
    with pytest.raises(MediaLimitError, match="lasts longer"):
        probe(path)


def test_a_codec_we_do_not_read_is_named(tmp_path: Path, pictures: Pictures) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w", format="avi") as writer:
        stream = writer.add_stream("msmpeg4", rate=10, width=160, height=120)
        for picture in pictures(3, 160, 120):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    with pytest.raises(UnsupportedMediaError, match="msmpeg4"):
        next(stream_frames(path))


def test_damage_anywhere_is_an_answer_or_an_error_of_ours(clip: Path, tmp_path: Path) -> None:
    whole = clip.read_bytes()
    generator = np.random.default_rng(3)
    for _ in range(12):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 30):
            damaged[place] = int(generator.integers(0, 256))
        (tmp_path / "clip.mp4").write_bytes(damaged)
        try:
            frames = sum(1 for _ in stream_frames(tmp_path / "clip.mp4"))
        except MediaError:
            continue
        assert 0 < frames <= 30
