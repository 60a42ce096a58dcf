import errno
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from provenance.errors import (
    MediaError,
    MediaLimitError,
    NoVideoError,
    StorageFullError,
    UnsupportedMediaError,
)
from provenance.media import (
    MediaLimits,
    atomic,
    decode_frames,
    iterate_luma,
    read_headers,
    read_sound,
    rewrite,
    run_sandboxed,
    transcode,
    write_video,
)

Pictures = Callable[[int, int, int], Iterator[NDArray[np.uint8]]]
Plane = NDArray[np.uint8]
Sound = NDArray[np.float32]


class Facts(NamedTuple):
    times: list[Fraction]
    colours: tuple[int, int, int, int]
    shape: tuple[int, int]
    rotation: int
    pixel: Fraction | None
    pixels: str


def facts(path: Path) -> Facts:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        first = frames[0]
        return Facts(
            [(frame.pts or 0) * (frame.time_base or Fraction(0)) for frame in frames],
            (first.colorspace, first.color_range, first.color_trc, first.color_primaries),
            (first.height, first.width),
            first.rotation,
            stream.sample_aspect_ratio,
            first.format.name,
        )


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def encode(path: Path, pictures: Iterator[Plane], codec: str, pixels: str, size: tuple[int, int]) -> Path:
    with av.open(str(path), "w") as writer:
        stream = writer.add_stream(codec, rate=25, width=size[1], height=size[0])
        assert isinstance(stream, VideoStream)
        stream.pix_fmt = pixels
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return path


def brighten(luma: Plane) -> Plane:
    return np.clip(luma.astype(np.int16) + 12, 0, 255).astype(np.uint8)


def halve(samples: Sound, _: int) -> Sound:
    return samples * np.float32(0.5)


def rewrite_job(source: Path, destination: Path, progress: Callable[[float], None]) -> str:
    rewrite(source, destination, luma=brighten, audio=halve, preset="ultrafast", progress=progress)
    return "done"


def mean_luma(path: Path) -> float:
    return float(np.mean([frame.luma.mean() for frame in iterate_luma(path)]))


def test_luma_changes_and_everything_else_stays(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    seen: list[tuple[int, ...]] = []

    def change(luma: Plane) -> Plane:
        seen.append(luma.shape)
        return brighten(luma)

    rewrite(clip, out, luma=change)
    assert seen == [(240, 320)] * 30
    assert mean_luma(out) - mean_luma(clip) == pytest.approx(12, abs=1)
    before, after = facts(clip), facts(out)
    assert after == before
    assert before.colours == (1, 1, 1, 1)
    assert sound_packets(out) == sound_packets(clip)  # untouched sound is copied, not encoded anew


def test_a_variable_frame_rate_is_kept(tmp_path: Path, pictures: Pictures, sound: Sound) -> None:
    times = (0.0, 0.04, 0.1, 0.25, 0.3, 0.9, 1.0)
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_video(source, pictures(7, 160, 120), 30, sound, times=times)
    rewrite(source, out, luma=brighten)
    assert [float(time) for time in facts(source).times] == pytest.approx(times)
    assert facts(out).times == facts(source).times


def test_the_callback_sees_the_picture_upright(tmp_path: Path, pictures: Pictures) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_video(source, pictures(3, 160, 120), 30, rotation=90)

    def mark_top(luma: Plane) -> Plane:
        assert luma.shape == (160, 120)
        changed = luma.copy()
        changed[:20] = 235
        return changed

    rewrite(source, out, luma=mark_top)
    assert facts(out)[1:] == facts(source)[1:]
    shown = next(decode_frames(out)).bgr
    assert shown[:16].min() > 200
    assert shown[40:].mean() < 150


def test_changed_sound_stays_in_place(clip: Path, tmp_path: Path, sound: Sound) -> None:
    out = tmp_path / "out.mp4"
    rates: list[int] = []

    def change(samples: Sound, rate: int) -> Sound:
        rates.append(rate)
        assert samples.shape[0] == 1
        return halve(samples, rate)

    rewrite(clip, out, audio=change, preset="ultrafast")
    heard, rate = read_sound(out)
    assert rates == [rate] == [48_000]
    piece = sound[10_000:30_000]
    assert int(np.argmax(np.correlate(heard[0, 8_000:34_000], piece, "valid"))) == 2_000
    assert heard[0, 10_000:30_000].std() == pytest.approx(piece.std() / 2, rel=0.1)


def test_stereo_stays_stereo(tmp_path: Path, pictures: Pictures, sound: Sound) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_video(source, pictures(30, 160, 120), 30, np.stack([sound, sound * 0.1]), 44_100)
    rewrite(source, out, audio=lambda samples, _: samples, preset="ultrafast")
    heard, rate = read_sound(out)
    assert rate == 44_100
    assert heard.shape[0] == 2
    assert heard[0].std() > 5 * heard[1].std()


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("a.mp4", "libx264", "yuv444p", (121, 161)),
        ("a.mp4", "libx264", "yuv422p10le", (120, 160)),
        ("a.mp4", "libx264", "yuv420p10le", (120, 160)),
        ("a.mp4", "libx264rgb", "rgb24", (121, 161)),
        ("a.mov", "mjpeg", "yuvj420p", (121, 161)),
        ("a.mkv", "ffv1", "yuv420p", (121, 161)),
        ("a.webm", "libvpx-vp9", "yuv420p", (121, 161)),
    ],
)
def test_any_picture_becomes_even_8_bit_420(
    tmp_path: Path, pictures: Pictures, name: str, codec: str, pixels: str, size: tuple[int, int]
) -> None:
    source = encode(tmp_path / name, pictures(3, size[1], size[0]), codec, pixels, size)
    out = tmp_path / "out.mp4"
    rewrite(source, out, crf=10)
    assert facts(out).shape == (120, 160)
    assert facts(out).pixels in ("yuv420p", "yuvj420p")
    assert facts(out).times == pytest.approx(facts(source).times, abs=0.002)
    assert (facts(out).pixel or 1) == (facts(source).pixel or 1)
    for before, after in zip(decode_frames(source), decode_frames(out), strict=True):
        difference = before.bgr[:120, :160].astype(int) - after.bgr
        assert np.abs(difference).mean() < 5


def test_the_job_runs_in_the_sandbox_and_reports(clip: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    out = tmp_path / "out.mp4"
    assert run_sandboxed(rewrite_job, clip, out, writable=tmp_path, progress=seen.append) == "done"
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert mean_luma(out) > mean_luma(clip) + 8
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_leaves_nothing(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = atomic.OutputFile._write_all

    def fill_up(file: atomic.OutputFile, data: memoryview) -> None:
        if file.tell() + len(data) > 4_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(file, data)

    monkeypatch.setattr(atomic.OutputFile, "_write_all", fill_up)
    (tmp_path / "out.mp4").write_text("the old one")
    with pytest.raises(StorageFullError):
        rewrite(clip, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "the old one"


def test_too_large_an_output_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaLimitError, match="size limit"):
        transcode(clip, tmp_path / "out.mp4", limits=MediaLimits(max_output_bytes=2_000))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_callback_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    def fail(_: Plane) -> Plane:
        raise MediaError("no room for a mark")

    with pytest.raises(MediaError, match="no room"):
        rewrite(clip, tmp_path / "out.mp4", luma=fail)
    with pytest.raises(ValueError, match="shape"):
        rewrite(clip, tmp_path / "out.mp4", audio=lambda samples, _: samples[:, :-1])
    with pytest.raises(ValueError, match="shape"):
        rewrite(clip, tmp_path / "out.mp4", luma=lambda luma: luma[:-2])
    with pytest.raises(ValueError, match="uint8"):
        rewrite(clip, tmp_path / "out.mp4", luma=lambda luma: luma.astype(np.float32))
    assert list(tmp_path.iterdir()) == []


def test_the_index_stands_in_front(clip: Path) -> None:
    data = clip.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_transcoding_changes_what_is_asked(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    transcode(clip, out, crf=32, height=120, frames_per_second=15)
    info = read_headers(out)
    assert (info.width, info.height, info.frames_per_second) == (160, 120, Fraction(15))
    assert info.has_audio
    transcode(clip, out, scale=0.5, keep_audio=False, crf=40)
    info = read_headers(out)
    assert (info.width, info.height, info.has_audio) == (160, 120, False)
    assert out.stat().st_size < clip.stat().st_size / 2


@pytest.mark.parametrize(
    ("codec", "name"), [("libx265", "hevc"), ("libvpx-vp9", "vp9"), ("libsvtav1", "av1")]
)
def test_transcoding_to_other_codecs(silent_clip: Path, tmp_path: Path, codec: str, name: str) -> None:
    transcode(silent_clip, tmp_path / "out.mp4", codec=codec, crf=35)
    assert read_headers(tmp_path / "out.mp4").video_codec == name
    assert len(list(decode_frames(tmp_path / "out.mp4"))) == 6


def test_transcoding_to_an_unknown_codec_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaError, match="made_up"):
        transcode(clip, tmp_path / "out.mp4", codec="made_up")


def test_metadata_does_not_survive(tmp_path: Path, pictures: Pictures) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as writer:
        writer.metadata["title"] = "a place and a person"
        stream = writer.add_stream("libx264", rate=25, width=160, height=120)
        for picture in pictures(3, 160, 120):
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")))
        writer.mux(stream.encode(None))
    assert b"a place and a person" in source.read_bytes()
    for make in (rewrite, transcode):
        make(source, tmp_path / "out.mp4")
        assert b"a place" not in (tmp_path / "out.mp4").read_bytes()


def test_pictures_are_needed(tmp_path: Path, pictures: Pictures, sound: Sound) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        write_video(tmp_path / "out.mp4", iter(()), 30)
    write_video(tmp_path / "both.mp4", pictures(3, 160, 120), 30, sound)
    with (
        av.open(str(tmp_path / "both.mp4")) as reader,
        av.open(str(tmp_path / "sound.m4a"), "w", format="mp4") as writer,
    ):
        copy = writer.add_stream_from_template(reader.streams.audio[0])
        for packet in reader.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copy
                writer.mux(packet)
    with pytest.raises(NoVideoError):
        rewrite(tmp_path / "sound.m4a", tmp_path / "out.mp4")
