"""The studio's recordings show what they claim to show, measured with the service's own models."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from consent_service.biometrics.digits import DigitRecognizer
from consent_service.biometrics.faces import FaceAnalyzer, FaceMesh
from consent_service.biometrics.geometry import mouth_opening, parallax_residual, yaw_degrees
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.voices import VoiceAnalyzer
from consent_service.demo.cache import StudioCache
from consent_service.demo.people import EVERYONE, HE, IMPOSTER, SHE, Person
from consent_service.demo.performance import Say, Turn, answer
from consent_service.demo.studio import Take
from provenance.media import probe, read_audio, stream_frames

DIGITS = "480715"
SMALL = Take(size=(320, 240), frames_per_second=15, seed=11)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a recording shows."""

    meshes: tuple[FaceMesh, ...]
    templates: NDArray[np.float32]
    faces: int

    @property
    def yaws(self) -> list[float]:
        return [yaw_degrees(mesh) for mesh in self.meshes]

    @property
    def parallax(self) -> float:
        yaws = self.yaws
        return parallax_residual(self.meshes[int(np.argmin(yaws))], self.meshes[int(np.argmax(yaws))])


@pytest.fixture(scope="module")
def analyzer(models: ModelRegistry) -> FaceAnalyzer:
    return FaceAnalyzer(models)


def watch(path: Path, analyzer: FaceAnalyzer) -> Seen:
    def faces() -> Iterator[tuple[FaceMesh, NDArray[np.float32] | None, int]]:
        for index, frame in enumerate(stream_frames(path, frames_per_second=8)):
            found = analyzer.detect(frame.bgr)
            assert found, f"no face at {frame.seconds:.2f} s"
            mesh = analyzer.mesh(frame.bgr, found[0])
            yield mesh, analyzer.template(frame.bgr, mesh) if index % 10 == 0 else None, len(found)

    meshes, templates, counts = zip(*faces(), strict=True)
    return Seen(meshes, np.stack([t for t in templates if t is not None]), max(counts))


@pytest.mark.parametrize("person", EVERYONE, ids=lambda person: person.name)
def test_an_answer_turns_in_depth_and_says_the_digits(
    person: Person, composed: StudioCache, analyzer: FaceAnalyzer, models: ModelRegistry
) -> None:
    path = composed.compose(person, answer(DIGITS, ("left", "right")), SMALL)
    seen = watch(path, analyzer)
    assert max(seen.yaws) > 12
    assert min(seen.yaws) < -12
    assert int(np.argmax(seen.yaws)) < int(np.argmin(seen.yaws))  # left came first
    assert seen.parallax > 0.07
    assert np.ptp([mouth_opening(mesh) for mesh in seen.meshes]) > 0.05
    assert DigitRecognizer(models).recognize(read_audio(path, sample_rate=16_000)) == DIGITS


def test_a_waved_photograph_has_no_depth(composed: StudioCache, analyzer: FaceAnalyzer) -> None:
    seen = watch(composed.flat_photo(SHE, answer(DIGITS, ("left", "right")), SMALL), analyzer)
    assert seen.parallax < 0.05


def test_faces_stay_themselves_and_apart(composed: StudioCache, analyzer: FaceAnalyzer) -> None:
    script = answer(DIGITS, ("left", "right"))
    by_name = {p.name: watch(composed.compose(p, script, SMALL), analyzer).templates for p in EVERYONE}
    for name, templates in by_name.items():
        middle = templates.mean(0)
        assert np.linalg.norm(templates - middle, axis=1).max() < 0.4
        others = [other.mean(0) for key, other in by_name.items() if key != name]
        assert min(np.linalg.norm(middle - other) for other in others) > 0.65


def test_voices_stay_themselves_and_apart(composed: StudioCache, models: ModelRegistry) -> None:
    analyzer = VoiceAnalyzer(models)

    def template(person: Person, digits: str) -> NDArray[np.float32]:
        sound = composed.compose(person, answer(digits, ()), SMALL)
        return analyzer.template(read_audio(sound, sample_rate=16_000))

    first = [template(person, "480715") for person in EVERYONE]
    second = [template(person, "926381") for person in EVERYONE]
    scores = np.array([[float(a @ b) for b in second] for a in first])
    assert np.diag(scores).min() > 0.8
    assert scores[~np.eye(3, dtype=bool)].max() < 0.72


def test_two_people_are_two_faces(composed: StudioCache, analyzer: FaceAnalyzer) -> None:
    seen = watch(composed.two_people(SHE, IMPOSTER, (Turn("left"),), SMALL), analyzer)
    assert seen.faces == 2


def test_the_same_seed_is_the_same_recording(composed: StudioCache, tmp_path: Path) -> None:
    script = (Say("hello there"), Turn("right", 20, 0.8))

    def pictures(name: str, take: Take) -> NDArray[np.int16]:
        path = composed.studio.compose(HE, script, tmp_path / name, take)
        return np.stack([frame.bgr for frame in stream_frames(path)]).astype(np.int16)

    first, again = pictures("a.mp4", SMALL), pictures("b.mp4", SMALL)
    other = pictures("c.mp4", replace(SMALL, seed=12))[: len(first)]
    assert np.abs(first - again).mean() < 0.5  # x264's threads may spend their bits a little differently
    assert np.abs(first[: len(other)] - other).mean() > 2
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.has_audio) == (320, 240, True)


@pytest.mark.parametrize("person", EVERYONE, ids=lambda person: person.name)
def test_the_same_text_is_the_same_sound(person: Person, composed: StudioCache) -> None:
    first, again = (composed.studio.say(person.voice, "four nine two") for _ in range(2))
    assert np.array_equal(first, again)
