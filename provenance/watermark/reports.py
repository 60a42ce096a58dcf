"""What marking did and what detection found, as values and as JSON.

In: figures from the embedders and detectors. Out: frozen reports for callers, tests and the command line. A
clip that could not carry a mark is reported with a reason code, never as an error: whether that is acceptable
is for the caller's gate to decide.
"""

from dataclasses import dataclass
from typing import Final, Literal

from provenance.watermark.payload import AUDIO_PREFIX_BYTES

NO_SOUND: Final = "no_sound"
SOUND_TOO_SHORT: Final = "sound_too_short"
SOUND_SILENT: Final = "sound_silent"
SOUND_TOO_SPARSE: Final = "sound_too_sparse"

Json = dict[str, object]
Modality = Literal["video", "audio"]
Stage = Literal["fast", "deep"]


@dataclass(frozen=True, slots=True)
class VideoMark:
    """The mark in the picture, as read back from the encoded file.

    Attributes:
        psnr_y_db: Luma PSNR of the pattern alone, before encoding, mean of sampled frames.
        ssim: Structural similarity of the same frames.
        strength: Factor on the calibrated amplitude.
        margin: Mean over standard deviation of the signed soft values; decoding begins to fail near 0.9.
        readable: Whether the identifier was read back.
    """

    psnr_y_db: float
    ssim: float
    strength: float
    margin: float
    readable: bool


@dataclass(frozen=True, slots=True)
class AudioMark:
    """The mark in the sound, as read back from the encoded file.

    Attributes:
        strength_db: Mean change of level of the cells, in decibels.
        margin: As for the picture.
        readable: Whether the identifier's prefix was read back.
    """

    strength_db: float
    margin: float
    readable: bool


@dataclass(frozen=True, slots=True)
class MarkReport:
    """What `mark_file` did.

    Attributes:
        payload: The identifier, 8 bytes; the sound carries its first 5.
        epoch: Key epoch.
        video: What the picture carries; never None from `mark_file`, which refuses media without a picture.
        audio: What the sound carries; None when it was left as it is, and `audio_reason` says why.
        audio_reason: `no_sound`, `sound_too_short`, `sound_silent` or `sound_too_sparse`; None when marked.
    """

    payload: bytes
    epoch: int
    video: VideoMark | None
    audio: AudioMark | None
    audio_reason: str | None = None

    def to_json(self) -> Json:
        """Return the report as JSON values."""
        return {
            "payload": self.payload.hex(),
            "epoch": self.epoch,
            "video": self.video and _values(self.video),
            "audio": self.audio and _values(self.audio),
            "audio_reason": self.audio_reason,
        }


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in one modality.

    Attributes:
        modality: `video` or `audio`.
        payload: The identifier (8 bytes) or its prefix (5 bytes); None when no mark was read.
        epoch: Key epoch of the mark; None when none was read.
        score: Height of the pilot's correlation peak, in standard deviations.
        stage: `fast` or `deep`: how far the search went.
        false_positive_bound: n such that unmarked media yield an identifier with probability at most 2^-n.
        margin: Mean over standard deviation of the signed soft values; None when no mark was read.
        attempts: Decodings tried, over all keys.
    """

    modality: Modality
    payload: bytes | None
    epoch: int | None
    score: float
    stage: Stage
    false_positive_bound: float
    margin: float | None
    attempts: int

    def to_json(self) -> Json:
        """Return the detection as JSON values."""
        return _values(self)


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """What `detect_file` found; a modality is None when the file has no such stream.

    Attributes:
        video: The picture's detection.
        audio: The sound's detection.
    """

    video: Detection | None
    audio: Detection | None

    @property
    def payload(self) -> bytes | None:
        """The picture's 8 bytes; else the sound's 5-byte prefix; else None."""
        for detection in (self.video, self.audio):
            if detection is not None and detection.payload is not None:
                return detection.payload
        return None

    @property
    def agreeing(self) -> bool | None:
        """Whether picture and sound carry the same identifier; None unless both were read."""
        picture = self.video.payload if self.video else None
        sound = self.audio.payload if self.audio else None
        return None if picture is None or sound is None else picture[:AUDIO_PREFIX_BYTES] == sound

    def to_json(self) -> Json:
        """Return the report as JSON values."""
        payload = self.payload
        return {
            "payload": payload and payload.hex(),
            "video": self.video and self.video.to_json(),
            "audio": self.audio and self.audio.to_json(),
        }


def _values(value: VideoMark | AudioMark | Detection) -> Json:
    """Return the fields of a flat value, bytes as hex."""
    fields = {name: getattr(value, name) for name in value.__slots__}
    return {name: field.hex() if isinstance(field, bytes) else field for name, field in fields.items()}
