"""Looks at a clip's frames and listens to its voice for likenesses, declared or not.

In: a media file (decoded in the sandbox), the declaration, the gallery of enrolled templates. Out: a `Scan`:
who was seen and heard, how often, and whether that was declared. Frames are sampled, so a face shown for less
than the sampling interval can be missed; the scan says how many frames it looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio, Image, Template
from consent_service.biometrics.comparison import ComparisonScore, Outcome, compare_faces, compare_voices
from consent_service.biometrics.detection import DetectedFace
from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.geometry import yaw_degrees
from consent_service.biometrics.voices import VoiceAnalyzer, VoiceSample
from consent_service.cameos.domain import Gallery
from consent_service.clips.domain import Declaration, SourceFile, Use
from consent_service.clips.gate import Match, Scan, Sighting
from consent_service.kernel.ids import LikenessId
from provenance.media import MediaLimits, read_audio, stream_frames

_FRAMES_PER_SECOND: Final = 2.0
_FEWEST_FRAMES: Final = 8
_MOST_FRAMES: Final = 240
_LONGEST_SIDE: Final = 1280  # pixels; a face that matters is still large enough for its template
_SMALLEST_FACE: Final = 40  # pixels; below it the template says nothing
_LARGEST_TURN: Final = 45.0  # degrees of yaw beyond which half a face is no evidence about identity
_MOST_FACES: Final = 12
_WINDOW_SECONDS: Final = 4.0
_HOP_SECONDS: Final = 2.0
_LEAST_SPEECH: Final = 1.5  # seconds of speech in a window, for a template worth comparing
_LEAST_SPEECH_IN_ALL: Final = 1.0
_REPEATED: Final = 2  # one stray sample accuses nobody; two do
_CERTAIN: Final = frozenset({Match.DECLARED, Match.UNDECLARED})

Compare = Callable[[Template, Template], ComparisonScore]


@dataclass(frozen=True, slots=True)
class _Reference:
    """One enrolled template and whether its use was declared."""

    likeness_id: LikenessId
    template: Template
    declared: bool


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """One sample's nearest reference and what comparing with it gave."""

    seconds: float
    match: Match
    nearest: _Reference | None
    score: float | None


class LikenessScanner:
    """Scans clips; holds the models, which are loaded on first use."""

    def __init__(self, faces: FaceAnalyzer, voices: VoiceAnalyzer, limits: MediaLimits) -> None:
        self._faces = faces
        self._voices = voices
        self._limits = limits

    def scan(self, path: Path, source: SourceFile, declaration: Declaration, gallery: Gallery) -> Scan:
        """Scan a whole clip.

        Raises:
            MediaError: The clip cannot be decoded.
        """
        people = _references(gallery, declaration, Use.FACE)
        frames, seen = 0, list[_Glimpse]()
        for seconds, image in self._sampled(path, source.seconds):
            frames += 1
            seen += [_compared(seconds, each, people, compare_faces) for each in self._templates(image)]
        spoken, heard = self._listen(path, _references(gallery, declaration, Use.VOICE), source)
        sightings = (*_sightings(Use.FACE, seen, frames), *_sightings(Use.VOICE, heard, len(heard)))
        return Scan(sightings, frames, spoken)

    def _sampled(self, path: Path, seconds: float) -> Iterator[tuple[float, Image]]:
        seconds = max(seconds, 0.1)
        rate = min(max(_FRAMES_PER_SECOND, _FEWEST_FRAMES / seconds), _MOST_FRAMES / seconds)
        for frame in stream_frames(path, self._limits, max_side=_LONGEST_SIDE, frames_per_second=rate):
            yield frame.seconds, frame.bgr

    def _templates(self, image: Image) -> Iterator[Template]:
        for face in self._faces.detect(image, thorough=True)[:_MOST_FACES]:
            template = self._template(image, face)
            if template is not None:
                yield template

    def _template(self, image: Image, face: DetectedFace) -> Template | None:
        if min(face.box[2:]) < _SMALLEST_FACE:
            return None
        mesh = self._faces.mesh(image, face)
        if not mesh.found or abs(yaw_degrees(mesh)) > _LARGEST_TURN:
            return None
        return self._faces.template(image, mesh)

    def _listen(
        self, path: Path, people: Sequence[_Reference], source: SourceFile
    ) -> tuple[float, list[_Glimpse]]:
        """Return the seconds of speech and what each window of it sounds like."""
        if not source.has_sound:
            return 0.0, []
        audio = read_audio(path, self._limits, sample_rate=SAMPLE_RATE)
        whole = self._voices.sample(audio)
        if whole.speech_seconds < _LEAST_SPEECH_IN_ALL:
            return whole.speech_seconds, []
        windows = [(start, self._voices.sample(part)) for start, part in _windows(audio)]
        judged = [(start, each) for start, each in windows if each.speech_seconds >= _LEAST_SPEECH]
        glimpses = [
            _compared(start, each.template, people, _voice(each)) for start, each in judged or [(0.0, whole)]
        ]
        return whole.speech_seconds, glimpses


def _voice(sample: VoiceSample) -> Compare:
    """Return the comparison fit for speech of this length and clarity."""
    return partial(compare_voices, speech_seconds=sample.speech_seconds, snr_db=sample.snr_db)


def _windows(audio: Audio) -> Iterator[tuple[float, Audio]]:
    length, hop = round(_WINDOW_SECONDS * SAMPLE_RATE), round(_HOP_SECONDS * SAMPLE_RATE)
    for start in range(0, max(1, len(audio) - hop), hop):
        yield start / SAMPLE_RATE, audio[start : start + length]


def _references(gallery: Gallery, declaration: Declaration, use: Use) -> list[_Reference]:
    found = []
    for entry in gallery.entries:
        template = entry.face if use is Use.FACE else entry.voice
        if template is not None:
            declared = use in declaration.uses_of(entry.likeness_id)
            found.append(_Reference(entry.likeness_id, template, declared))
    return found


def _compared(seconds: float, template: Template, people: Sequence[_Reference], compare: Compare) -> _Glimpse:
    """Compare a sample with the nearest enrolled template; the others are further off by the same measure."""
    if not people:
        return _Glimpse(seconds, Match.UNKNOWN, None, None)
    distances = [float(np.linalg.norm(template - each.template)) for each in people]
    nearest = people[int(np.argmin(distances))]
    score = compare(template, nearest.template)
    if score.decision is Outcome.MATCH:
        match = Match.DECLARED if nearest.declared else Match.UNDECLARED
    else:
        match = Match.UNCERTAIN if score.decision is Outcome.INCONCLUSIVE else Match.UNKNOWN
    return _Glimpse(seconds, match, nearest, score.value)


def _sightings(use: Use, glimpses: Sequence[_Glimpse], samples: int) -> Iterator[Sighting]:
    """Gather glimpses by whom they show; what appears once among many samples is left out.

    An uncertain glimpse of somebody who is also seen for certain is that person turning away.
    """
    certain = {_name(each): each.match for each in glimpses if each.match in _CERTAIN}
    groups: dict[tuple[Match, LikenessId | None], list[_Glimpse]] = {}
    for each in glimpses:
        match = certain.get(_name(each), each.match) if each.match is Match.UNCERTAIN else each.match
        groups.setdefault((match, None if match is Match.UNKNOWN else _name(each)), []).append(each)
    for (match, likeness_id), group in groups.items():
        if match is Match.DECLARED or len(group) >= min(_REPEATED, samples):
            yield Sighting(use, match, likeness_id, group[0].seconds, len(group), _mean_score(group))


def _name(glimpse: _Glimpse) -> LikenessId | None:
    return None if glimpse.nearest is None else glimpse.nearest.likeness_id


def _mean_score(group: Iterable[_Glimpse]) -> float | None:
    scores = [each.score for each in group if each.score is not None]
    return round(float(np.mean(scores)), 4) if scores else None
