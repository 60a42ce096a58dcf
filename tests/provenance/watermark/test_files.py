"""Real files: mark, attack as the world does, detect."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from provenance.errors import NotMediaError
from provenance.media import probe, transcode, write_video
from provenance.watermark import KeyRing, MarkReport, WatermarkKey, detect_file, mark_file
from provenance.watermark.job import MarkJob
from provenance.watermark.pattern import PicturePattern
from provenance.watermark.sound_pattern import SoundPattern
from tests.provenance.watermark.conftest import PAYLOAD, SAMPLE_RATE, babble, moving_texture

Marked = tuple[Path, MarkReport]


def test_marking_reports_what_it_reads_back(marked: Marked) -> None:
    _, report = marked
    assert report.payload == PAYLOAD
    assert report.epoch == 2
    assert report.video is not None
    assert report.video.readable
    assert report.video.margin > 2
    assert report.video.psnr_y_db > 38
    assert report.video.ssim > 0.95
    assert report.audio is not None
    assert report.audio.readable
    assert report.audio.margin > 1
    assert json.loads(json.dumps(report.to_json()))["payload"] == PAYLOAD.hex()


def test_only_the_clip_is_left_behind(clip: Path, marked: Marked) -> None:
    assert sorted(path.name for path in clip.parent.iterdir()) == sorted({clip.name, marked[0].name})


def test_form_and_length_are_kept(clip: Path, marked: Marked) -> None:
    before, after = probe(clip), probe(marked[0])
    assert (after.width, after.height, after.frames_per_second) == (
        before.width,
        before.height,
        before.frames_per_second,
    )
    assert after.seconds == pytest.approx(before.seconds, abs=0.1)


def test_both_marks_survive_half_size(marked: Marked, ring: KeyRing, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    transcode(marked[0], copy, crf=28, scale=0.5, preset="veryfast", audio_bit_rate=64_000)
    report = detect_file(copy, keys=ring)
    assert report.payload == PAYLOAD
    assert report.video is not None
    assert (report.video.epoch, report.video.stage) == (2, "fast")
    assert report.video.false_positive_bound > 25
    assert report.audio is not None
    assert report.audio.payload == PAYLOAD[:5]
    assert report.agreeing
    assert json.loads(json.dumps(report.to_json()))["payload"] == PAYLOAD.hex()


def test_another_key_finds_nothing(marked: Marked) -> None:
    report = detect_file(marked[0], keys=KeyRing((WatermarkKey(2, b"\x33" * 32),)), deep=False)
    assert report.payload is None
    assert report.video is not None
    assert report.video.payload is None
    assert report.audio is not None
    assert report.audio.payload is None
    assert report.agreeing is None


def test_an_unmarked_clip_reads_as_nothing(clip: Path, ring: KeyRing) -> None:
    assert detect_file(clip, keys=ring, deep=False).payload is None


def test_a_silent_film_is_reported_not_refused(ring: KeyRing, tmp_path: Path) -> None:
    source, destination = tmp_path / "silent.mp4", tmp_path / "marked.mp4"
    write_video(source, moving_texture(24, 320, 240), 24)
    seen: list[float] = []
    report = mark_file(
        source, destination, payload=PAYLOAD, key=ring.active, progress=seen.append, preset="veryfast"
    )
    assert report.video is not None
    assert report.video.readable
    assert (report.audio, report.audio_reason) == (None, "no_sound")
    assert detect_file(destination, keys=ring).audio is None
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("sound", "reason"),
    [(babble(1.5), "sound_too_short"), (np.zeros(4 * SAMPLE_RATE, np.float32), "sound_silent")],
    ids=["short", "silent"],
)
def test_sound_that_cannot_carry_a_mark_is_left_alone(
    ring: KeyRing, tmp_path: Path, sound: np.ndarray, reason: str
) -> None:
    source = tmp_path / "clip.mp4"
    write_video(source, moving_texture(12, 160, 120), 12, sound, SAMPLE_RATE)
    report = mark_file(
        source, tmp_path / "marked.mp4", payload=PAYLOAD, key=ring.active, preset="veryfast", strength=1.0
    )
    assert (report.audio, report.audio_reason) == (None, reason)


def test_turned_clips_and_retired_keys_are_read(ring: KeyRing, tmp_path: Path) -> None:
    source, marked, copy = (tmp_path / name for name in ("clip.mp4", "marked.mp4", "copy.mp4"))
    write_video(source, moving_texture(16, 480, 320), 24, rotation=90)
    mark_file(source, marked, payload=PAYLOAD, key=ring.retired[0], preset="veryfast", strength=1.0)
    transcode(marked, copy, crf=24, preset="veryfast")
    found = detect_file(copy, keys=ring, deep=False).video
    assert found is not None
    assert (found.payload, found.epoch) == (PAYLOAD, 1)


def test_no_key_enters_the_process_that_reads_the_file(ring: KeyRing) -> None:
    key = ring.active
    job = MarkJob(
        PicturePattern.saying(key, PAYLOAD), SoundPattern.saying(key, PAYLOAD[:5]), None, 18, "medium"
    )
    sent = pickle.dumps(job)
    labels = ("layout", "whitening", "tag")
    derived = [key.derive(f"{medium} {label}") for medium in ("video", "audio") for label in labels]
    assert not [secret for secret in (key.secret, *derived) if secret in sent]


def test_what_is_not_a_clip_is_refused_and_leaves_nothing(ring: KeyRing, tmp_path: Path) -> None:
    source = tmp_path / "note.txt"
    source.write_text("no film")
    with pytest.raises(NotMediaError):
        mark_file(source, tmp_path / "marked.mp4", payload=PAYLOAD, key=ring.active)
    with pytest.raises(NotMediaError):
        detect_file(source, keys=ring)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
