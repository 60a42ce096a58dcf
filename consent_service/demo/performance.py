"""A script becomes a performance: what is heard, and what the head does in each frame.

In: segments (say this, turn there, wait) and a random generator. Out: the sound, and one pose per frame. The
mouth follows the energy of the sound; the head is never quite still, eases into and out of turns, and blinks.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from consent_service.demo.speech import SAMPLE_RATE, spoken_digits
from consent_service.demo.warp import Pose

Side = Literal["left", "right"]
Sound = NDArray[np.float32]

_SPEECH_LEVEL: Final = 10 ** (-21 / 20)  # RMS of speech against full scale
_ROOM_LEVEL: Final = 10 ** (-55 / 20)  # RMS of the room's noise: about 34 dB below the speech
_LEAD, _TAIL = 0.4, 0.4  # seconds of stillness about the script


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn the head to the subject's own left or right and back."""

    side: Side
    degrees: float = 25.0
    seconds: float = 1.5


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing in particular."""

    seconds: float


Segment = Say | Turn | Pause
Script = Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Performance:
    """What the camera and the microphone get.

    Attributes:
        sound: (samples,) float32 at `SAMPLE_RATE`.
        poses: One per frame.
    """

    sound: Sound
    poses: tuple[Pose, ...]


def answer(digits: str, turns: Sequence[Side]) -> Script:
    """Return the script that answers a challenge: the digits aloud, then the turns in their order."""
    return (Say(spoken_digits(digits)), *(Turn(side) for side in turns))


def perform(
    script: Script,
    say: Callable[[str], Sound],
    generator: np.random.Generator,
    frames_per_second: int = 25,
    liveliness: float = 1.0,
) -> Performance:
    """Act a script out.

    Args:
        script: What to do, in order.
        say: Speaks a text, `(samples,)` at `SAMPLE_RATE`.
        generator: All that is random in the movement and the room's noise.
        frames_per_second: Of the recording.
        liveliness: How much the head moves of itself; 1 is somebody holding still.
    """
    timeline = [*_cues(script, say)]
    seconds = timeline[-1].end + _TAIL
    count = math.ceil(seconds * frames_per_second)
    sound = _voice_track(timeline, count * SAMPLE_RATE // frames_per_second)
    times = np.arange(count) / frames_per_second
    mouth = _mouth(sound, count)
    poses = _poses(timeline, times, mouth, generator, liveliness)
    return Performance((sound + _room(len(sound), generator)).astype(np.float32), poses)


@dataclass(frozen=True, slots=True)
class _Cue:
    """A segment placed in time, seconds."""

    start: float
    end: float
    segment: Segment
    sound: Sound | None = None


def _cues(script: Script, say: Callable[[str], Sound]) -> Iterable[_Cue]:
    """Place the segments one after the other."""
    at = _LEAD
    for segment in script:
        sound = say(segment.text) if isinstance(segment, Say) else None
        lasts = len(sound) / SAMPLE_RATE if sound is not None else _seconds(segment)
        yield _Cue(at, at + lasts, segment, sound)
        at += lasts
    if at == _LEAD:
        raise ValueError("a script needs at least one segment that lasts")


def _seconds(segment: Segment) -> float:
    """Return how long a silent segment lasts."""
    return 0.0 if isinstance(segment, Say) else segment.seconds


def _voice_track(timeline: Sequence[_Cue], samples: int) -> Sound:
    """Lay the spoken segments down at one level."""
    track = np.zeros(samples, np.float32)
    for cue in timeline:
        if cue.sound is not None:
            first = round(cue.start * SAMPLE_RATE)
            piece = cue.sound[: samples - first]
            track[first : first + len(piece)] += piece
    loud = track[np.abs(track) > 0.02 * float(np.abs(track).max(initial=1e-9))]
    level = float(np.sqrt(np.mean(loud**2))) if loud.size else 1.0
    return np.asarray(np.clip(track * (_SPEECH_LEVEL / level), -0.98, 0.98), np.float32)


def _room(samples: int, generator: np.random.Generator) -> Sound:
    """Return the noise of a quiet room: low-passed, as air and machines sound."""
    white = generator.standard_normal(samples)
    noise = lfilter([0.12], [1.0, -0.88], white)
    return np.asarray(noise * (_ROOM_LEVEL / float(np.std(noise))), np.float32)


def _mouth(sound: Sound, count: int) -> NDArray[np.float64]:
    """Return how far the mouth is open in each frame, 0 to 1, from the energy of the sound."""
    energy = np.sqrt((sound[: len(sound) // count * count].reshape(count, -1) ** 2).mean(1))
    smooth = gaussian_filter1d(energy.astype(np.float64), 0.7)
    loud = float(np.quantile(smooth, 0.95))
    return np.clip(smooth / loud, 0, 1) ** 0.7 if loud > _ROOM_LEVEL else np.zeros(count)


def _poses(
    timeline: Sequence[_Cue],
    times: NDArray[np.float64],
    mouth: NDArray[np.float64],
    generator: np.random.Generator,
    liveliness: float,
) -> tuple[Pose, ...]:
    """Return the pose of every frame: the turns asked for, upon the small movements nobody thinks of."""
    yaw = _drift(times, generator) * 1.6 * liveliness
    for cue in timeline:
        if isinstance(cue.segment, Turn):
            yaw += _turn(times, cue)
    nod = gaussian_filter1d(mouth, 4.0)
    pitch = _drift(times, generator) * 1.2 * liveliness + 2.0 * nod * liveliness
    roll = _drift(times, generator) * 0.9 * liveliness
    x, y = _drift(times, generator) * 2.5, _drift(times, generator) * 2.0
    blink = _blinks(times, generator)
    rows = np.stack([yaw, pitch, roll, 0.8 * mouth, blink, x, y], axis=1).tolist()
    return tuple(Pose(a, b, c, opened, closed, (dx, dy)) for a, b, c, opened, closed, dx, dy in rows)


def _turn(times: NDArray[np.float64], cue: _Cue) -> NDArray[np.float64]:
    """Return the yaw of one turn, degrees: ease out, rest, ease back."""
    assert isinstance(cue.segment, Turn)
    into = (times - cue.start) / (cue.end - cue.start)
    rise, fall = np.clip(into / 0.36, 0, 1), np.clip((1 - into) / 0.36, 0, 1)
    part = np.minimum(rise, fall)
    eased = part**3 * (part * (part * 6 - 15) + 10)  # minimum-jerk profile (Flash and Hogan, 1985)
    return np.asarray(eased * cue.segment.degrees * (1 if cue.segment.side == "left" else -1))


def _drift(times: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return a slow wandering movement, about -1 to 1."""
    rates, phases = generator.uniform(0.15, 0.75, 4), generator.uniform(0, 2 * math.pi, 4)
    return np.asarray(np.sin(2 * math.pi * np.outer(times, rates) + phases).mean(1) * 1.6)


def _blinks(times: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return how far the lids are closed in each frame: a blink every few seconds."""
    closed = np.zeros_like(times)
    at = float(generator.uniform(0.6, 2.0))
    while at < times[-1]:
        closed = np.maximum(closed, np.clip(1 - np.abs(times - at) / 0.12, 0, 1))
        at += float(generator.uniform(1.8, 4.5))
    return closed
