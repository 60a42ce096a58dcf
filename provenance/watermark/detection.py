"""Detects marks in a file: picture and sound, under every key epoch.

In: a file of any provenance, and the key ring. Out: a `DetectionReport`. A confined process decodes the file
and sums it up; that sum needs no key, and keys never enter the process that touches the file. The picture is
looked at after 64 frames, then each time their number has doubled, so that a good copy is recognised early
and a poor one from all it has.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.errors import NoAudioError, NoVideoError
from provenance.media import DEFAULT_LIMITS, MediaLimits, iterate_luma, probe, read_audio, stream_sandboxed
from provenance.watermark.accumulator import Accumulator
from provenance.watermark.cells import SAMPLE_RATE
from provenance.watermark.detector import detect_video
from provenance.watermark.keys import KeyRing
from provenance.watermark.progress import Progress
from provenance.watermark.reports import Detection, DetectionReport
from provenance.watermark.sound_detector import detect_audio

_FIRST_LOOK: Final = 64  # frames
_CLEAR_MARGIN: Final = 2.0


@dataclass(frozen=True, slots=True)
class PictureSum:
    """A clip's frames so far, summed.

    Attributes:
        seconds: Time of the last frame.
        summed: `(rows, columns) float32`, independent of any key.
        complete: No frame will follow.
    """

    seconds: float
    summed: NDArray[np.float32]
    complete: bool


def detect_file(
    path: Path,
    *,
    keys: KeyRing,
    limits: MediaLimits = DEFAULT_LIMITS,
    deep: bool = True,
    progress: Progress | None = None,
) -> DetectionReport:
    """Look for marks in a file.

    Args:
        path: The file.
        keys: All epochs; the active one is tried first.
        limits: Limits in force.
        deep: Also look for copies that were cropped, scaled, squeezed, turned, or played at another speed.
        progress: Called with fractions 0..1.

    Returns:
        What was found; nothing found is an answer, not an error.

    Raises:
        MediaError: The file is refused, breaks off, or passes a limit.
    """
    seconds = probe(path, limits).seconds
    video = _detect_picture(path, keys, limits, deep, _shown(progress, seconds))
    audio = _detect_sound(path, keys, limits, deep)
    if progress is not None:
        progress(1.0)
    return DetectionReport(video, audio)


def _detect_picture(
    path: Path, keys: KeyRing, limits: MediaLimits, deep: bool, progress: Progress
) -> Detection | None:
    order, best, attempts = tuple(reversed(keys.keys)), None, 0
    try:
        with closing(stream_sandboxed(sum_picture, path, limits, limits=limits)) as sums:
            for state in sums:
                best = detect_video(state.summed, order, deep=deep and state.complete, attempts=attempts)
                attempts = best.attempts
                progress(state.seconds)
                if best.margin is not None and best.margin >= _CLEAR_MARGIN:
                    break
    except NoVideoError:
        return None
    return best


def sum_picture(path: Path, limits: MediaLimits) -> Iterator[PictureSum]:
    """Yield the growing sum of a clip's luma; only inside the sandbox, or on media we made ourselves."""
    accumulator, look, seconds = Accumulator(), _FIRST_LOOK, 0.0
    for frame in iterate_luma(path, limits):
        if accumulator.frames == look and accumulator.summed is not None:
            look *= 2
            yield PictureSum(seconds, accumulator.summed, complete=False)
        accumulator.add(frame.luma)
        seconds = frame.seconds
    if accumulator.summed is not None:
        yield PictureSum(seconds, accumulator.summed, complete=True)


def _detect_sound(path: Path, keys: KeyRing, limits: MediaLimits, deep: bool) -> Detection | None:
    try:
        sound = read_audio(path, limits, sample_rate=SAMPLE_RATE)
    except NoAudioError:
        return None
    return detect_audio(sound, SAMPLE_RATE, tuple(reversed(keys.keys)), deep=deep)


def _shown(progress: Progress | None, seconds: float) -> Progress:
    """Return a callable that takes the time reached in the picture."""
    if progress is None or seconds <= 0:
        return lambda _: None
    return lambda reached: progress(min(reached / seconds, 1.0) * 0.9)
