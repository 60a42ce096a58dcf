"""Operating points: three answers, bounds in order, rates that hold on the development media."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.biometrics.arrays import Image, Template
from consent_service.biometrics.comparison import (
    FACE,
    FACE_CONSTANCY,
    VOICE_BRIEF,
    VOICE_LONG,
    VOICE_NOISY,
    OperatingPoint,
    Outcome,
    compare_faces,
    compare_voices,
)
from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.registry import ModelRegistry

T = TypeVar("T")
_PORTRAITS = ("obama", "obama2", "biden")
POINTS = (FACE, FACE_CONSTANCY, VOICE_BRIEF, VOICE_LONG, VOICE_NOISY)


@given(st.sampled_from(POINTS), st.floats(-1, 1), st.floats(0, 1))
def test_a_higher_score_never_speaks_more_against(point: OperatingPoint, score: float, more: float) -> None:
    order = [Outcome.NON_MATCH, Outcome.INCONCLUSIVE, Outcome.MATCH]
    assert order.index(point.decide(score)) <= order.index(point.decide(score + more))


@pytest.mark.parametrize("point", POINTS)
def test_bounds_are_included_as_documented(point: OperatingPoint) -> None:
    assert point.decide(point.match) is Outcome.MATCH
    assert point.decide(point.non_match) is Outcome.INCONCLUSIVE
    assert point.decide(point.non_match - 1e-6) is Outcome.NON_MATCH


def test_the_point_follows_length_and_noise() -> None:
    voice = np.eye(1, 256, dtype=np.float32)[0]
    assert compare_voices(voice, voice).point is VOICE_BRIEF
    assert compare_voices(voice, voice, speech_seconds=8, snr_db=30).point is VOICE_LONG
    assert compare_voices(voice, voice, speech_seconds=8, snr_db=10).point is VOICE_NOISY
    assert compare_voices(voice, voice).value == pytest.approx(1)


def test_portraits_of_one_person_match_and_of_two_do_not(models: ModelRegistry) -> None:
    faces = FaceAnalyzer(models)
    first, second, other = (
        _template(faces, _read(models.path(f"studio-still-{name}"))) for name in _PORTRAITS
    )
    assert compare_faces(first, second).decision is not Outcome.NON_MATCH
    assert compare_faces(first, first).decision is Outcome.MATCH
    assert compare_faces(first, other).decision is Outcome.NON_MATCH


def test_face_error_rates_on_development_pictures(models: ModelRegistry, shared_media: Path) -> None:
    """Half the people and six pictures of each keep this test short; the stated rates are of all."""
    faces = FaceAnalyzer(models)
    people = sorted((shared_media / "faces").glob("*_*"))[:4]
    templates = [
        [_template(faces, _read(path)) for path in sorted(folder.glob("*.jpg"))[:6]] for folder in people
    ]
    genuine = [compare_faces(a, b).decision for own in templates for a, b in _pairs(own)]
    impostor = [
        compare_faces(a, b).decision for own, others in _pairs(templates) for a in own for b in others
    ]
    assert impostor.count(Outcome.MATCH) == 0
    assert genuine.count(Outcome.NON_MATCH) == 0
    assert genuine.count(Outcome.MATCH) > 0.8 * len(genuine)


def _pairs(values: Sequence[T]) -> list[tuple[T, T]]:
    return [(a, b) for index, a in enumerate(values) for b in values[index + 1 :]]


def _template(faces: FaceAnalyzer, image: Image) -> Template:
    (face, *_) = faces.detect(image) or faces.detect(image, thorough=True)
    return faces.template(image, faces.mesh(image, face))


def _read(path: Path) -> Image:
    image = np.asarray(cv2.imread(str(path)), np.uint8)
    scale = min(1.0, 640 / max(image.shape[:2]))
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
