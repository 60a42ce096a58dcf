"""What the analysis sees in recordings of the studio, genuine ones and attacks."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from consent_service.biometrics.arrays import Template
from consent_service.biometrics.comparison import Outcome
from consent_service.cameos.analysis import RecordingAnalyzer, constancy
from consent_service.cameos.domain import REQUIREMENTS, FaceEvidence, Turn
from consent_service.demo.cache import StudioCache
from consent_service.demo.people import HE, SHE
from consent_service.demo.performance import Pause, answer
from consent_service.demo.performance import Turn as Turning
from consent_service.demo.studio import Take
from provenance.errors import NotMediaError
from provenance.media import MediaLimits

LIMITS: Final = MediaLimits(max_seconds=60)
TAKE: Final = Take(size=(480, 360), frames_per_second=15)
TURNS: Final = (Turning("left", seconds=1.0), Turning("right", seconds=1.0))
SILENT: Final = (Pause(1.2), *TURNS)


def face(analyzer: RecordingAnalyzer, path: Path) -> FaceEvidence:
    return analyzer.measure(path, LIMITS).evidence.face


def test_a_genuine_recording(analyzer: RecordingAnalyzer, composed: StudioCache) -> None:
    path = composed.compose(SHE, answer("583610", ("right", "left", "left")), TAKE)
    measured = analyzer.measure(path, LIMITS)
    seen, heard = measured.evidence.face, measured.evidence.voice
    assert seen.turns == (Turn.RIGHT, Turn.LEFT, Turn.LEFT)
    assert seen.constancy is Outcome.MATCH
    assert (seen.parallax or 0) > REQUIREMENTS.parallax
    assert (seen.lip_sync or 0) > REQUIREMENTS.lip_sync
    assert seen.with_face > 0.95
    assert seen.with_several == 0
    assert heard.digits == "583610"
    assert heard.snr_db > 20
    assert measured.face is not None
    assert measured.voice is not None
    # Templates and movement are personal data: no representation shows them.
    assert "array" not in repr(measured)


def test_a_photograph_shows_no_depth(analyzer: RecordingAnalyzer, composed: StudioCache) -> None:
    seen = face(analyzer, composed.flat_photo(HE, SILENT, TAKE))
    assert seen.parallax is not None
    assert seen.parallax < REQUIREMENTS.flat


def test_a_second_person_is_seen(analyzer: RecordingAnalyzer, composed: StudioCache) -> None:
    seen = face(analyzer, composed.two_people(HE, SHE, SILENT, TAKE))
    assert seen.with_several > REQUIREMENTS.with_several


def test_darkness_is_seen(analyzer: RecordingAnalyzer, composed: StudioCache) -> None:
    seen = face(analyzer, composed.compose(HE, SILENT, replace(TAKE, light=0.15)))
    assert seen.brightness < REQUIREMENTS.brightness


def test_distance_is_seen(analyzer: RecordingAnalyzer, composed: StudioCache) -> None:
    seen = face(analyzer, composed.compose(HE, SILENT, replace(TAKE, face_height=0.15)))
    assert 0 < seen.side_px < REQUIREMENTS.side_px


def test_what_is_no_recording_cannot_be_measured(analyzer: RecordingAnalyzer, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"dear service" * 100)
    with pytest.raises(NotMediaError):
        analyzer.measure(path, LIMITS)


def test_a_change_of_person_shows_between_any_two_looks() -> None:
    generator = np.random.default_rng(8)
    first, second = np.zeros(128, np.float32), np.full(128, 0.07, np.float32)  # 0.79 apart, as two people are

    def looks(centre: Template, count: int) -> list[Template]:
        return [(centre + generator.normal(0, 0.02, 128)).astype(np.float32) for _ in range(count)]

    assert constancy(looks(first, 8)) is Outcome.MATCH
    assert constancy([*looks(first, 7), *looks(second, 1)]) is Outcome.NON_MATCH
    assert constancy(looks(first, 1)) is Outcome.INCONCLUSIVE
    assert constancy([]) is Outcome.INCONCLUSIVE
