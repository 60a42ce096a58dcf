"""How strong the mark must be in this clip: try it on a few frames against what the world will do to them.

In: a clip and its pattern. Out: the factor on the amplitude. Some frames are marked, encoded at half their
size (but no less than 180 lines) at CRF 28, and the pattern is looked for in the result: where compression
swallows it the strength goes up, as far as the quality floor allows; where it shines through, strength and
bitrate are saved.

Runs beside a stranger's file and knows the clip's pattern only, no key.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from provenance.media import MediaLimits, iterate_luma, read_headers, write_video
from provenance.watermark.accumulator import Accumulator, whitened
from provenance.watermark.embedding import VideoEmbedder
from provenance.watermark.geometry import fold
from provenance.watermark.pattern import PERIOD, PILOT_SHARE, PicturePattern
from provenance.watermark.payload import VIDEO
from provenance.watermark.quality import psnr

_RUNS: Final = (0.15, 0.5, 0.85)  # where samples are taken, as fractions of the clip
_RUN_FRAMES: Final = 12
_RATE: Final = 25
_ATTACK_CRF: Final = 28
_LARGEST_SAMPLE: Final = 720  # lines; larger pictures are only easier
_SMALLEST_ATTACK: Final = 180  # lines
_RINGS: Final = 8
_LEAST: Final = 0.6
_MOST: Final = 1.8
_WANTED_MARGIN: Final = 1.15
_PSNR_FLOOR: Final = 39.0
_TRIALS: Final = 3
_CLOSE: Final = 0.1

Luma = NDArray[np.uint8]


def choose_strength(source: Path, scratch: Path, pattern: PicturePattern, limits: MediaLimits) -> float:
    """Return the factor on the calibrated amplitude for this clip.

    Args:
        source: The clip.
        scratch: Folder for a temporary file.
        pattern: The clip's pattern.
        limits: Limits in force.
    """
    frames = sample(source, limits)
    height, width = frames[0].shape
    drawn = pattern.render(width, height)
    ceiling = min(_MOST, _loudest(frames, drawn))
    strength = min(1.0, ceiling)
    for _ in range(_TRIALS):
        reached = attacked_margin(
            frames, VideoEmbedder(drawn, strength), pattern, scratch / "calibration.mp4"
        )
        # The dead zone of the quantiser makes the margin fall faster than the strength: take smaller steps
        # down.
        step = (_WANTED_MARGIN / max(reached, _WANTED_MARGIN / 4)) ** (
            1.0 if reached < _WANTED_MARGIN else 0.5
        )
        wanted = float(np.clip(strength * step, min(_LEAST, ceiling), ceiling))
        if abs(wanted - strength) < _CLOSE:
            break
        strength = wanted
    return strength


def sample(source: Path, limits: MediaLimits) -> list[Luma]:
    """Return some runs of consecutive luma planes of the clip, at most 720 lines high.

    Raises:
        MediaError: The clip is refused or breaks off.
    """
    starts = [share * read_headers(source, limits).seconds for share in _RUNS]
    taken: list[Luma] = []
    first: list[Luma] = []
    for frame in iterate_luma(source, limits):
        run = len(taken) // _RUN_FRAMES
        if run == len(starts):
            break
        if len(first) < _RUN_FRAMES:
            first.append(_reduced(frame.luma))
        if frame.seconds >= starts[run] or len(taken) % _RUN_FRAMES:
            taken.append(_reduced(frame.luma))
    return taken or first  # a wrong duration in the header leaves the beginning


def attacked_margin(
    frames: Sequence[Luma], embedder: VideoEmbedder, pattern: PicturePattern, file: Path
) -> float:
    """Return the margin the mark has in `frames` after an encoding at half size.

    Args:
        frames: Unmarked luma planes.
        embedder: Embedder for their size.
        pattern: The pattern it embeds.
        file: Temporary file.
    """
    height, width = frames[0].shape
    scale = min(max(0.5, _SMALLEST_ATTACK / min(height, width)), 1.0)
    size = (max(int(width * scale) & ~1, 2), max(int(height * scale) & ~1, 2))
    small = (cv2.resize(embedder.mark(frame), size, interpolation=cv2.INTER_AREA) for frame in frames)
    write_video(file, (np.stack([frame] * 3, axis=-1) for frame in small), _RATE, crf=_ATTACK_CRF)
    accumulator = Accumulator()
    try:
        for frame in iterate_luma(file):
            accumulator.add(frame.luma)
    finally:
        file.unlink()
    summed = accumulator.summed
    return known_margin(summed, pattern) if summed is not None else 0.0


def known_margin(summed: NDArray[np.float32], pattern: PicturePattern) -> float:
    """Return the decoding margin of a pattern that is known, in a picture of unchanged geometry.

    The margin of a coded value grows with the square root of the carriers it is spread over; per carrier it
    is gain over noise, measured ring by ring of frequencies.
    """
    embedded = scipy.fft.rfft2(np.roll(pattern.tile, (-pattern.phase[0], -pattern.phase[1]), (0, 1)))
    rows, columns = np.nonzero(np.abs(embedded) > np.abs(embedded).max() / 2)
    carriers = embedded[rows, columns]
    received = scipy.fft.rfft2(fold(whitened(summed)))[rows, columns]
    aligned = (received * np.conj(carriers) / np.abs(carriers)).real
    radius = np.hypot(scipy.fft.fftfreq(PERIOD)[rows], columns / PERIOD)
    order = np.array_split(np.argsort(radius), _RINGS)
    ratios = [len(ring) * max(aligned[ring].mean(), 0) ** 2 / aligned[ring].var() for ring in order]
    return float(np.sqrt((1 - PILOT_SHARE) / VIDEO.coded_length * sum(ratios)))


def _loudest(frames: Sequence[Luma], drawn: NDArray[np.float32]) -> float:
    """Return the strength at which the sampled frames meet the quality floor."""
    plain = VideoEmbedder(drawn)
    level = float(np.mean([psnr(frame, plain.mark(frame)) for frame in frames[::_RUN_FRAMES]]))
    return float(10 ** ((level - _PSNR_FLOOR) / 20))


def _reduced(luma: Luma) -> Luma:
    height, width = luma.shape
    scale = _LARGEST_SAMPLE / min(height, width)
    if scale >= 1:
        return luma.copy()
    return np.asarray(
        cv2.resize(luma, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA),
        np.uint8,
    )
