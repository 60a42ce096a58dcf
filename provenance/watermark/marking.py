"""Marks a file: an opaque identifier into picture and sound, read back before anyone gets to see it.

In: a clip, an identifier, the active key. Out: an H.264/AAC MP4 in place by rename, and a `MarkReport` whose
margins were read from the encoded file itself, as a stranger's detector would. Whether a clip that carries
its mark poorly may leave the house is for the caller to decide.
"""

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from provenance.errors import StorageFullError
from provenance.media import DEFAULT_LIMITS, MediaLimits, run_sandboxed
from provenance.watermark.detection import detect_file
from provenance.watermark.job import JobResult, MarkJob, mark_clip
from provenance.watermark.keys import KeyRing, WatermarkKey
from provenance.watermark.pattern import PicturePattern
from provenance.watermark.payload import AUDIO_PREFIX_BYTES, PAYLOAD_BYTES
from provenance.watermark.progress import Progress, part
from provenance.watermark.reports import (
    SOUND_TOO_SPARSE,
    AudioMark,
    DetectionReport,
    MarkReport,
    VideoMark,
)
from provenance.watermark.sound_pattern import SoundPattern

_READ_BACK: Final = 0.85  # of the time


def mark_file(  # noqa: PLR0913  # one keyword for each setting reads better than an options object
    source: Path,
    destination: Path,
    *,
    payload: bytes,
    key: WatermarkKey,
    limits: MediaLimits = DEFAULT_LIMITS,
    progress: Progress | None = None,
    crf: int = 18,
    preset: str = "medium",
    strength: float | None = None,
) -> MarkReport:
    """Write a marked copy of `source`.

    Args:
        source: The clip; any container and codec `provenance.media` reads.
        destination: Where the MP4 appears, whole or not at all.
        payload: The identifier, 8 bytes, random: never derived from a person.
        key: The active key.
        limits: Limits in force.
        progress: Called with fractions 0..1.
        crf: Constant rate factor of the encoding.
        preset: x264 preset.
        strength: Factor on the calibrated amplitude; None to choose it for this clip.

    Returns:
        What was embedded and how it reads. A mark that cannot be read is reported, not raised.

    Raises:
        ValueError: `payload` is not 8 bytes.
        NoVideoError: There is no moving picture.
        MediaError: The clip is refused, breaks off, or passes a limit; nothing is left.
        StorageFullError: There is no space; nothing is left.
    """
    if len(payload) != PAYLOAD_BYTES:
        raise ValueError(f"the payload has {PAYLOAD_BYTES} bytes")
    prefix = payload[:AUDIO_PREFIX_BYTES]
    job = MarkJob(
        PicturePattern.saying(key, payload), SoundPattern.saying(key, prefix), strength, crf, preset
    )
    with _scratch_beside(destination) as folder:
        marked = Path(folder) / "marked.mp4"
        # The confined process may write to this folder alone, and keys do not enter it.
        result = run_sandboxed(
            mark_clip,
            source,
            marked,
            job,
            limits,
            limits=limits,
            writable=marked.parent,
            progress=part(progress, 0, _READ_BACK),
        )
        found = detect_file(
            marked, keys=KeyRing((key,)), limits=limits, deep=False, progress=part(progress, _READ_BACK, 1)
        )
        marked.replace(destination)
        _sync(destination.parent)
    return _report(payload, key, result, found)


def _report(payload: bytes, key: WatermarkKey, result: JobResult, found: DetectionReport) -> MarkReport:
    picture = found.video if found.video is not None and found.video.payload == payload else None
    sound = (
        found.audio
        if found.audio is not None and found.audio.payload == payload[:AUDIO_PREFIX_BYTES]
        else None
    )
    quality = (picture.margin if picture else None) or 0.0
    video = VideoMark(result.psnr_y_db, result.ssim, result.strength, quality, picture is not None)
    if result.sound_strength_db is None:
        return MarkReport(payload, key.epoch, video, None, result.sound_reason)
    audio = AudioMark(result.sound_strength_db, (sound.margin if sound else None) or 0.0, sound is not None)
    return MarkReport(payload, key.epoch, video, audio, None if audio.readable else SOUND_TOO_SPARSE)


def _scratch_beside(destination: Path) -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix=".marking-", dir=destination.parent)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFullError("there is no space for the marked clip") from error
        raise


def _sync(folder: Path) -> None:
    """Make the rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
