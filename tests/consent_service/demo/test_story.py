"""What can go wrong with the story is told, and machines can read it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent_service.demo import publishing
from consent_service.demo.cache import StudioCache
from consent_service.demo.cli import app
from consent_service.demo.people import SHE
from consent_service.demo.performance import Pause
from consent_service.demo.studio import Take
from provenance.media import probe


def test_without_models_the_story_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENT_MODELS_DIR", str(tmp_path / "nothing"))
    out = tmp_path / "out"
    ended = CliRunner().invoke(app, ["--out", str(out), "--json"])
    assert ended.exit_code == 1
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(ended.stdout) == summary
    assert not summary["ok"]
    assert summary["failure"].startswith("step 1")
    assert "consent-service models pull" in summary["failure"]
    assert [step["ok"] for step in summary["steps"]] == [False]


def test_tampering_changes_one_bit_of_the_media_data(composed: StudioCache, tmp_path: Path) -> None:
    clip = composed.compose(SHE, (Pause(0.4),), Take(size=(160, 120)))
    changed = publishing._flip_a_byte(clip, tmp_path / "changed.mp4")
    before, after = clip.read_bytes(), changed.read_bytes()
    differing = [index for index, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    begin, end = publishing._media_data(before)
    assert len(differing) == 1
    assert begin <= differing[0] < end
    assert before[begin - 4 : begin] == b"mdat"
    assert probe(changed).has_video  # still a video to any player


def test_a_file_without_media_data_cannot_be_tampered_with() -> None:
    with pytest.raises(ValueError, match="no media data"):
        publishing._media_data(b"\x00\x00\x00\x08free")
