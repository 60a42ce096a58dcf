"""The studio: recordings of people who are not here, and the attacks that must not pass for them.

In: a person (a still and a voice from the model registry), a script, a seed. Out: an mp4 (H.264 and AAC);
the same seed gives the same pictures and sound. Genuine recordings show true parallax and a mouth that moves
with the sound; the attacks are what they claim to be: a photograph waved at the camera, two people in one
frame, a face too small or too dark.

A genuine recording of this studio is itself an attack in the field (see the package's docstring).
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.registry import ModelRegistry
from consent_service.demo.people import Person
from consent_service.demo.performance import Performance, Script, Sound, perform
from consent_service.demo.speech import SAMPLE_RATE, NeuralSpeaker, NeuralVoice, Voice, say_formant
from consent_service.demo.stills import Canvas, frame_portrait
from consent_service.demo.warp import MeshWarp, Pose
from provenance.media import write_video

Frame = NDArray[np.uint8]

_GRAIN: Final = 2.0  # standard deviation of the sensor's noise, grey levels
_PHOTO_SWING: Final = 1.6  # a flat photo is turned further, to look as turned as a head
_FACE_CAMERA: Final = (
    0.8  # share of a portrait's own turn that is taken back, so that both sides can be shown
)
_TABLE: Final = (62, 60, 58)  # BGR behind a photograph held to the camera


@dataclass(frozen=True, slots=True)
class Take:
    """How a recording is made.

    Attributes:
        size: (width, height), px; multiples of four.
        frames_per_second: Of the picture.
        seed: Of everything random in movement, noise and tempo.
        face_height: The face's height as a share of the frame's.
        light: Share of the daylight; 1 is bright.
        liveliness: How much the head moves of itself.
        voice: Another voice than the person's own.
        crf: H.264 quality.
    """

    size: tuple[int, int] = (640, 480)
    frames_per_second: int = 25
    seed: int = 0
    face_height: float = 0.44
    light: float = 1.0
    liveliness: float = 1.0
    voice: Voice | None = None
    crf: int = 18


class Studio:
    """Composes recordings from what the model registry holds.

    Attributes are private; stills are analysed and voices loaded once and kept.
    """

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models
        self._analyzer = FaceAnalyzer(models)
        self._speakers: dict[NeuralVoice, NeuralSpeaker] = {}

    def compose(self, person: Person, script: Script, destination: Path, take: Take | None = None) -> Path:
        """Record a person acting a script out.

        Args:
            person: Who is seen and heard.
            script: What they say and do.
            destination: The mp4 to write.
            take: How it is made.

        Returns:
            `destination`.

        Raises:
            UnavailableError: A still or a voice is not in the model cache.
        """
        take = take or Take()
        show = self._perform(person, script, take)
        return self._record(self._posed(person, take, show.poses), show.sound, destination, take)

    def flat_photo(self, person: Person, script: Script, destination: Path, take: Take | None = None) -> Path:
        """Record a photograph of a person, waved at the camera as the script turns, with the right sound."""
        take = take or Take()
        show = self._perform(person, script, take)
        photo = self.still(person, take)
        frames = (_wave(photo, pose) for pose in show.poses)
        return self._record(frames, show.sound, destination, take)

    def two_people(
        self, speaker: Person, other: Person, script: Script, destination: Path, take: Take | None = None
    ) -> Path:
        """Record two people side by side; the first one speaks, the other one keeps silent."""
        take = take or Take()
        show = self._perform(speaker, script, take)
        silent = replace(take, seed=take.seed + 1)
        quiet = tuple(replace(pose, mouth=0.0, yaw=-0.4 * pose.yaw) for pose in show.poses)
        pairs = zip(self._posed(speaker, take, show.poses), self._posed(other, silent, quiet), strict=True)
        return self._record((_beside(a, b) for a, b in pairs), show.sound, destination, take)

    def say(self, voice: Voice, text: str, tempo: float = 1.0) -> Sound:
        """Speak a text.

        Returns:
            (samples,) float32 at `SAMPLE_RATE`.
        """
        if isinstance(voice, NeuralVoice):
            return self._speaker(voice).say(text, voice.length_scale * tempo)
        return say_formant(replace(voice, words_per_minute=round(voice.words_per_minute / tempo)), text)

    def still(self, person: Person, take: Take | None = None) -> Frame:
        """Return the person's resting frame, `(height, width, 3) uint8 BGR`."""
        return next(self._posed(person, take or Take(), [Pose()]))

    def _perform(self, person: Person, script: Script, take: Take) -> Performance:
        generator = np.random.default_rng([take.seed, zlib.crc32(person.name.encode())])
        tempo = float(generator.uniform(0.96, 1.06))
        voice: Callable[[str], Sound] = partial(self.say, take.voice or person.voice, tempo=tempo)
        return perform(script, voice, generator, take.frames_per_second, take.liveliness)

    def _posed(self, person: Person, take: Take, poses: Iterable[Pose]) -> Iterator[Frame]:
        canvas = self._canvas(person, take)
        warp = MeshWarp(canvas)
        facing = -_FACE_CAMERA * canvas.yaw
        return (warp.render(replace(pose, yaw=pose.yaw + facing)) for pose in poses)

    def _canvas(self, person: Person, take: Take) -> Canvas:
        path = self._models.path(person.still)
        picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        return frame_portrait(picture, self._analyzer, take.size, take.face_height)

    def _speaker(self, voice: NeuralVoice) -> NeuralSpeaker:
        if voice not in self._speakers:
            model, config = self._models.path(voice.model), self._models.path(voice.config)
            self._speakers[voice] = NeuralSpeaker(model, config)
        return self._speakers[voice]

    def _record(self, frames: Iterable[Frame], sound: Sound, destination: Path, take: Take) -> Path:
        lit = _develop(frames, take)
        write_video(destination, lit, take.frames_per_second, sound, SAMPLE_RATE, crf=take.crf)
        return destination


def _develop(frames: Iterable[Frame], take: Take) -> Iterator[Frame]:
    """Give every frame the light of the room and the grain of a sensor."""
    generator = np.random.default_rng([take.seed, 7])
    width, height = take.size
    grain = np.rint(generator.normal(0, _GRAIN, (height + 64, width + 64, 3))).astype(np.int16)
    for frame in frames:
        y, x = generator.integers(0, 64, 2)
        lit = cv2.convertScaleAbs(frame, alpha=take.light) if take.light != 1 else frame
        noisy = cv2.add(lit, grain[y : y + height, x : x + width], dtype=cv2.CV_8U)
        yield np.asarray(noisy, np.uint8)


def _beside(first: Frame, second: Frame) -> Frame:
    """Put the middles of two frames side by side in one frame of the same size."""
    width = first.shape[1]
    quarter, half = width // 4, width // 2
    return np.hstack([first[:, quarter : quarter + half], second[:, quarter : quarter + width - half]])


def _wave(photo: Frame, pose: Pose) -> Frame:
    """Turn a photograph in space as a plane, as far as the pose turns the head and somewhat further."""
    height, width = photo.shape[:2]
    focal = 1.5 * max(height, width)
    yaw, pitch = np.radians(-pose.yaw * _PHOTO_SWING), np.radians(pose.pitch)
    turn = cv2.Rodrigues(np.array([0, yaw, 0]))[0] @ cv2.Rodrigues(np.array([pitch, 0, 0]))[0]
    lens = np.array(
        [[focal, 0, width / 2 + pose.shift[0]], [0, focal, height / 2 + pose.shift[1]], [0, 0, 1]]
    )
    plane = np.c_[turn[:, :2], (0, 0, focal)] @ np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    return np.asarray(cv2.warpPerspective(photo, lens @ plane, (width, height), borderValue=_TABLE), np.uint8)
