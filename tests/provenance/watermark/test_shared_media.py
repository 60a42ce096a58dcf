"""Real people's speech and real pictures, where the development media lie beside the checkout."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from provenance.media import iterate_luma, read_sound, transcode, write_video
from provenance.watermark import KeyRing, WatermarkKey, detect_file, mark_file
from tests.provenance.watermark.conftest import PAYLOAD, moving_texture

RING = KeyRing((WatermarkKey(1, b"\x51" * 32),))
SECONDS = 6


@pytest.mark.parametrize("speaker", ["1688", "2609"])
def test_six_seconds_of_speech_carry_the_mark(shared_media: Path, tmp_path: Path, speaker: str) -> None:
    utterance = min((shared_media / "speech" / "librispeech" / speaker).iterdir())
    sound, rate = read_sound(utterance)
    source, marked, copy = (tmp_path / name for name in ("clip.mp4", "marked.mp4", "copy.mp4"))
    write_video(source, moving_texture(12, 160, 120), 2, sound[:, : SECONDS * rate], rate)
    report = mark_file(source, marked, payload=PAYLOAD, key=RING.active, preset="veryfast", strength=1.0)
    assert report.audio is not None
    assert report.audio.readable
    transcode(marked, copy, crf=28, preset="veryfast", audio_bit_rate=64_000)
    found = detect_file(copy, keys=RING, deep=False)
    assert found.audio is not None
    assert found.audio.payload == PAYLOAD[:5]


@pytest.mark.parametrize("name", ["crystal.mp4", "portrait_s20.mp4"])
def test_half_size_keeps_the_mark_in_real_pictures(shared_media: Path, tmp_path: Path, name: str) -> None:
    source, marked, copy = (tmp_path / name for name in ("clip.mp4", "marked.mp4", "copy.mp4"))
    frames = [frame.luma.copy() for frame in islice(iterate_luma(shared_media / "clips" / name), 36)]
    pictures = (np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR), np.uint8) for frame in frames)
    write_video(source, pictures, 25, crf=12)
    report = mark_file(source, marked, payload=PAYLOAD, key=RING.active, preset="veryfast")
    assert report.video is not None
    assert report.video.readable
    transcode(marked, copy, crf=28, scale=0.5)
    assert detect_file(copy, keys=RING).payload == PAYLOAD
