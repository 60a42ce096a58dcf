"""Invisible, keyed marks in picture and sound that carry an opaque identifier and survive transcoding.

`mark_file` embeds, `detect_file` reads; `KeyRing` holds the secrets of all key epochs.
"""

from provenance.watermark.detection import detect_file
from provenance.watermark.keys import KeyRing, WatermarkKey
from provenance.watermark.marking import mark_file
from provenance.watermark.payload import AUDIO_PREFIX_BYTES, PAYLOAD_BYTES
from provenance.watermark.reports import AudioMark, Detection, DetectionReport, MarkReport, VideoMark

__all__ = [
    "AUDIO_PREFIX_BYTES",
    "PAYLOAD_BYTES",
    "AudioMark",
    "Detection",
    "DetectionReport",
    "KeyRing",
    "MarkReport",
    "VideoMark",
    "WatermarkKey",
    "detect_file",
    "mark_file",
]
