"""The part of marking that touches a stranger's file; it runs confined and never holds a key.

In: a clip and the patterns made for it. Out: the marked clip, and what the embedders measured. A decoder
taken over by a hostile file finds the patterns of this one clip here: enough to spoil this mark, not to forge
another.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.errors import NoAudioError
from provenance.media import MediaLimits, read_sound, rewrite
from provenance.watermark.calibration import choose_strength
from provenance.watermark.embedding import VideoEmbedder
from provenance.watermark.pattern import PicturePattern
from provenance.watermark.progress import Progress, part
from provenance.watermark.quality import psnr, ssim
from provenance.watermark.reports import NO_SOUND, SOUND_TOO_SPARSE
from provenance.watermark.sound_embedding import MarkedSound, mark_sound, unmarkable
from provenance.watermark.sound_pattern import SoundPattern

_SAMPLED_EVERY: Final = 24
_CALIBRATED: Final = 0.1  # of the time
# Strengths, each tried while the margin is below its limit: speech needs 1; short or sparse sound is pushed
# further, and left alone when even that does not help.
_SOUND_STRENGTHS: Final = ((1.0, np.inf), (1.35, 1.6), (1.8, 1.6), (2.4, 1.15))
_LEAST_SOUND_MARGIN: Final = 0.8
_PROBE_RATE: Final = 16_000


@dataclass(frozen=True, slots=True)
class MarkJob:
    """What to embed, and how.

    Attributes:
        picture: Pattern of the picture.
        sound: Pattern of the sound.
        strength: Factor on the calibrated amplitude; None to choose it for this clip.
        crf: Constant rate factor.
        preset: x264 preset.
    """

    picture: PicturePattern
    sound: SoundPattern
    strength: float | None
    crf: int
    preset: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What the embedders measured.

    Attributes:
        psnr_y_db: Mean over sampled frames.
        ssim: Mean over sampled frames.
        strength: Factor used for the picture.
        sound_strength_db: Mean change of the cells; None when the sound was left alone.
        sound_reason: Why the sound was left alone, or None.
    """

    psnr_y_db: float
    ssim: float
    strength: float
    sound_strength_db: float | None
    sound_reason: str | None


def mark_clip(
    source: Path, destination: Path, job: MarkJob, limits: MediaLimits, progress: Progress | None = None
) -> JobResult:
    """Write the marked clip; only inside the sandbox, or on media we made ourselves.

    Args:
        source: The clip.
        destination: Where to write it, in a folder of its own; calibration keeps scratch files beside it.
        job: What to embed.
        limits: Limits in force.
        progress: Called with fractions 0..1.

    Raises:
        MediaError: The clip is refused or breaks off.
        StorageFullError: There is no space; nothing is left.
    """
    strength = job.strength or choose_strength(source, destination.parent, job.picture, limits)
    picture, sound = _PictureMarker(job.picture, strength), _SoundMarker(job.sound)
    sound.reason = _why_not(source, limits)
    rewrite(
        source,
        destination,
        luma=picture,
        audio=sound if sound.reason is None else None,
        crf=job.crf,
        preset=job.preset,
        limits=limits,
        progress=part(progress, _CALIBRATED, 1.0),
    )
    return JobResult(*picture.quality(), strength, sound.strength_db, sound.reason)


def _why_not(source: Path, limits: MediaLimits) -> str | None:
    """Return why the clip's sound cannot carry a mark, or None."""
    try:
        sound, rate = read_sound(source, limits, sample_rate=_PROBE_RATE, mono=True)
    except NoAudioError:
        return NO_SOUND
    return unmarkable(sound, rate)


class _PictureMarker:
    """Marks luma planes, and measures the change on some of them."""

    def __init__(self, pattern: PicturePattern, strength: float) -> None:
        self._pattern = pattern
        self._strength = strength
        self._embedder: VideoEmbedder | None = None
        self._frames = 0
        self._measured: list[tuple[float, float]] = []

    def __call__(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the marked plane."""
        if self._embedder is None:
            height, width = luma.shape
            self._embedder = VideoEmbedder(self._pattern.render(width, height), self._strength)
        marked = self._embedder.mark(luma)
        if self._frames % _SAMPLED_EVERY == 0:
            self._measured.append((psnr(luma, marked), ssim(luma, marked)))
        self._frames += 1
        return marked

    def quality(self) -> tuple[float, float]:
        """Return the mean PSNR (dB) and SSIM of the sampled frames."""
        return float(np.mean([item[0] for item in self._measured])), float(
            np.mean([item[1] for item in self._measured])
        )


class _SoundMarker:
    """Marks the sound as gently as reads well; leaves it alone when nothing reads."""

    def __init__(self, pattern: SoundPattern) -> None:
        self._pattern = pattern
        self.strength_db: float | None = None
        self.reason: str | None = None

    def __call__(self, sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """Return the marked sound, `(channels, samples)`."""
        best = self._best(sound, sample_rate)
        if best.margin < _LEAST_SOUND_MARGIN:
            self.reason = SOUND_TOO_SPARSE
            return sound
        self.strength_db = best.strength_db
        return best.sound

    def _best(self, sound: NDArray[np.float32], sample_rate: int) -> MarkedSound:
        best: MarkedSound | None = None
        for strength, limit in _SOUND_STRENGTHS:
            if best is None or best.margin < limit:
                marked = mark_sound(sound, sample_rate, self._pattern, strength=strength)
                best = marked if best is None or marked.margin > best.margin else best
        assert best is not None
        return best
