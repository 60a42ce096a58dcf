"""Measures a recording: its frames and its sound become evidence, templates and a signature.

In: the path of an uploaded file, decoded in the sandbox. Out: `Measured`. Figures go to the decision,
templates and signature to the vault; frames and sound are not kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio, Image, Template
from consent_service.biometrics.comparison import FACE_CONSTANCY, Outcome, compare_faces
from consent_service.biometrics.detection import DetectedFace
from consent_service.biometrics.digits import DigitRecognizer
from consent_service.biometrics.faces import FaceAnalyzer, FaceMesh
from consent_service.biometrics.geometry import brightness, mouth_opening, parallax_residual, yaw_degrees
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.speech import loudness
from consent_service.biometrics.voices import VoiceAnalyzer, VoiceSample
from consent_service.cameos import movement
from consent_service.cameos.domain import FaceEvidence, RecordingEvidence, VoiceEvidence
from provenance.errors import NoAudioError
from provenance.media import MediaLimits, probe, read_audio, stream_frames

_FRAMES_PER_SECOND: Final = 12.5  # a turn takes a second or more; lips move at some 5 Hz
_MAX_SIDE: Final = 960
_CLOSE_LOOKS: Final = 8  # frames per recording that are searched for other faces and give a template
_CLOSE_LOOK_SECONDS: Final = 0.8  # at most one in so long
_FRONTAL_DEGREES: Final = 20.0  # a template of a face turned further drifts from its owner's
_SECOND_FACE: Final = 0.4  # of the first one's side: somebody beside, not a picture on a wall
_LIP_LAG: Final = 2  # frames; sound and picture of one recording may be that far apart


@dataclass(frozen=True, slots=True)
class Measured:
    """What a recording gave.

    Attributes:
        evidence: Figures for the decision; its history is still empty.
        face: `(128,) float32`, mean over frontal frames; None without a face.
        voice: Template and quality; None without sound.
        signature: `(steps, 3) float16`, see `movement.signature`.
    """

    evidence: RecordingEvidence
    face: Template | None = field(repr=False)
    voice: VoiceSample | None = field(repr=False)
    signature: NDArray[np.float16] = field(repr=False)


class RecordingAnalyzer:
    """Measures recordings; models are loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._faces = FaceAnalyzer(models)
        self._voices = VoiceAnalyzer(models)
        self._digits = DigitRecognizer(models)

    def measure(self, path: Path, limits: MediaLimits) -> Measured:
        """Measure a recording.

        Args:
            path: The uploaded file.
            limits: Limits on decoding it.

        Raises:
            MediaError: The file cannot be decoded, has no picture, or is over a limit.
            UnavailableError: A model is missing.
        """
        info = probe(path, limits)
        try:
            audio = read_audio(path, limits, sample_rate=SAMPLE_RATE)
        except NoAudioError:
            audio = None
        voice = self._voices.sample(audio) if audio is not None else None
        course = loudness(audio, movement.SIGNATURE_RATE) if audio is not None else np.empty(0, np.float32)
        watched = self._watch(path, limits, info.seconds)
        enlarged = max(info.width or 0, info.height or 0) / max(watched.longest_side, 1)
        face = watched.evidence(enlarged, audio if voice and voice.speech_seconds else None)
        return Measured(
            RecordingEvidence(face, self._hear(audio, voice)),
            watched.template(),
            voice,
            movement.signature(watched.moments, course, info.seconds),
        )

    def _hear(self, audio: Audio | None, voice: VoiceSample | None) -> VoiceEvidence:
        if audio is None or voice is None:
            return VoiceEvidence()
        digits = self._digits.recognize(self._voices.spoken(audio)) if voice.speech_seconds else ""
        return VoiceEvidence(True, voice.speech_seconds, voice.snr_db, digits)  # noqa: FBT003 - has_sound

    def _watch(self, path: Path, limits: MediaLimits, seconds: float) -> "_Watched":
        watched = _Watched()
        interval = max(_CLOSE_LOOK_SECONDS, seconds / _CLOSE_LOOKS)
        next_look = 0.0
        for frame in stream_frames(path, limits, max_side=_MAX_SIDE, frames_per_second=_FRAMES_PER_SECOND):
            watched.frames += 1
            watched.longest_side = max(frame.bgr.shape[:2])
            face = next(iter(self._faces.detect(frame.bgr)), None)
            mesh = self._faces.mesh(frame.bgr, face) if face else None
            if face is None or mesh is None or not mesh.found:
                if frame.seconds >= next_look:
                    next_look = frame.seconds + interval
                    watched.distant += [min(far.box[2:]) for far in self._far(frame.bgr)]
                continue
            watched.add(frame.seconds, frame.bgr, face, mesh)
            if frame.seconds >= next_look and abs(yaw_degrees(mesh)) <= _FRONTAL_DEGREES:
                next_look = frame.seconds + interval
                watched.templates.append(self._faces.template(frame.bgr, mesh))
                watched.several.append(self._accompanied(frame.bgr, face))
        return watched

    def _far(self, bgr: Image) -> list[DetectedFace]:
        """Return faces too small for the near detector; they explain why there is no other evidence."""
        found = self._faces.detect(bgr, thorough=True)
        return [face for face in found if self._faces.mesh(bgr, face).found][:1]

    def _accompanied(self, bgr: Image, main: DetectedFace) -> bool:
        """Tell whether a second face of comparable size is in the frame."""
        least = _SECOND_FACE * main.box[2]
        large = [face for face in self._faces.detect(bgr, thorough=True) if face.box[2] >= least]
        return sum(self._faces.mesh(bgr, face).found for face in large) > 1


@dataclass(slots=True)
class _Watched:
    """What was gathered while the frames went by."""

    frames: int = 0
    longest_side: int = 0
    moments: list[movement.Moment] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    distant: list[float] = field(default_factory=list)
    lights: list[float] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    several: list[bool] = field(default_factory=list)
    meshes: list[FaceMesh] = field(default_factory=list)

    def add(self, seconds: float, bgr: Image, face: DetectedFace, mesh: FaceMesh) -> None:
        self.moments.append(movement.Moment(seconds, yaw_degrees(mesh), mouth_opening(mesh)))
        self.sides.append(min(face.box[2:]))
        self.lights.append(brightness(bgr, face))
        self.meshes.append(mesh)

    def template(self) -> Template | None:
        if not self.templates:
            return None
        return np.asarray(np.mean(self.templates, axis=0), np.float32)

    def evidence(self, enlarged: float, audio: Audio | None) -> FaceEvidence:
        """Sum up; `enlarged` leads from the pixels looked at to the recording's own."""
        if not self.moments:
            side = float(np.median(self.distant)) if self.distant else 0.0
            return FaceEvidence(frames=self.frames, side_px=side * enlarged)
        yaws = [moment.yaw for moment in self.moments]
        return FaceEvidence(
            frames=self.frames,
            with_face=len(self.moments) / self.frames,
            with_several=float(np.mean(self.several)) if self.several else 0.0,
            side_px=float(np.median(self.sides)) * enlarged,
            brightness=float(np.median(self.lights)),
            looks=len(self.templates),
            constancy=constancy(self.templates),
            turns=movement.turns(yaws),
            parallax=self._parallax(yaws),
            lip_sync=_lip_sync(self.moments, audio) if audio is not None else None,
        )

    def _parallax(self, yaws: list[float]) -> float:
        right, left = movement.extremes(yaws)
        return parallax_residual(self.meshes[right], self.meshes[left])


def constancy(templates: list[Template]) -> Outcome:
    """Return whether every two looks at the face agree; one pair of strangers is enough to say no."""
    decisions = {compare_faces(a, b, FACE_CONSTANCY).decision for a, b in _pairs(templates)}
    if Outcome.NON_MATCH in decisions:
        return Outcome.NON_MATCH
    return Outcome.MATCH if decisions == {Outcome.MATCH} else Outcome.INCONCLUSIVE


def _pairs(templates: list[Template]) -> Iterator[tuple[Template, Template]]:
    for index, first in enumerate(templates):
        for second in templates[index + 1 :]:
            yield first, second


def _lip_sync(moments: list[movement.Moment], audio: Audio) -> float:
    """Return the best correlation of mouth opening and loudness over a small lag.

    Source: Hershey and Movellan 1999, "Audio Vision": mutual information of sound energy and pixel motion.
    """
    course = loudness(audio, _FRAMES_PER_SECOND)
    times = np.array([moment.seconds for moment in moments])
    mouths = np.array([moment.mouth for moment in moments])
    frames = np.round(times * _FRAMES_PER_SECOND).astype(int)
    values = []
    for lag in range(-_LIP_LAG, _LIP_LAG + 1):
        inside = (frames + lag >= 0) & (frames + lag < len(course))
        values.append(movement.correlation(mouths[inside], course[frames[inside] + lag]))
    return max(values)
