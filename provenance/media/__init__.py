"""Reads and writes video and sound; the only room that uses PyAV, and the wall between us and hostile files.

From outside: `probe`, `stream_frames`, `read_audio` (each in its own confined process), and `run_sandboxed`
for longer work. Inside such work, or on media we made ourselves: `iterate_luma`, `read_sound`, `rewrite`,
`transcode`, `write_video`.
"""

from provenance.media.compose import write_video
from provenance.media.confinement import Confinement, confinement
from provenance.media.limits import DEFAULT_LIMITS, MediaLimits
from provenance.media.probe import MediaInfo, probe, read_headers
from provenance.media.rewrite import LumaFrame, iterate_luma, read_sound, rewrite
from provenance.media.sandbox import run_sandboxed, stream_sandboxed
from provenance.media.streaming import VideoFrame, decode_frames, read_audio, stream_frames
from provenance.media.transcode import transcode

__all__ = [
    "DEFAULT_LIMITS",
    "Confinement",
    "LumaFrame",
    "MediaInfo",
    "MediaLimits",
    "VideoFrame",
    "confinement",
    "decode_frames",
    "iterate_luma",
    "probe",
    "read_audio",
    "read_headers",
    "read_sound",
    "rewrite",
    "run_sandboxed",
    "stream_frames",
    "stream_sandboxed",
    "transcode",
    "write_video",
]
