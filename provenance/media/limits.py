"""How much of an outside file we are willing to read, decode, hold and write.

In: an operator's choice, or the defaults. Out: one frozen `MediaLimits` value that every reader, decoder and
sandboxed process obeys. Every limit passed ends as `MediaLimitError`, never as a dead service.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from provenance.errors import EmptyMediaError, MediaLimitError, NotMediaError

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Limits on one media file and on the process that reads it.

    Attributes:
        max_bytes: Largest input file, bytes.
        max_seconds: Longest video or sound, seconds.
        max_side: Longest side of a frame, pixels.
        max_pixels: Most pixels in one frame.
        max_frames: Most video frames in one file.
        max_streams: Most streams in one container.
        max_memory_bytes: Most memory of the sandboxed process, bytes.
        max_cpu_seconds: Most processor time of the sandboxed process, all threads together.
        max_wall_seconds: Longest wait for the sandboxed process; time the caller itself spends between two
            items of a stream does not count.
        max_output_bytes: Largest file the sandboxed process may write, bytes.
    """

    max_bytes: int = 512 * MEBIBYTE
    max_seconds: float = 600.0
    max_side: int = 4096
    max_pixels: int = 4096 * 2304
    max_frames: int = 36_000
    max_streams: int = 16
    max_memory_bytes: int = 3072 * MEBIBYTE
    max_cpu_seconds: int = 1800
    max_wall_seconds: float = 1800.0
    max_output_bytes: int = 1024 * MEBIBYTE

    def __post_init__(self) -> None:
        """Refuse limits that nothing could satisfy.

        Raises:
            ValueError: If a limit is not positive.
        """
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive")

    def check_picture(self, width: int, height: int) -> None:
        """Refuse a picture larger than the limits.

        Args:
            width: Pixels.
            height: Pixels.

        Raises:
            MediaLimitError: If a side or the area is too large.
        """
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise MediaLimitError(f"the picture is too large: {width}x{height} pixels")

    def check_duration(self, seconds: float) -> None:
        """Refuse a stream longer than the limits.

        Raises:
            MediaLimitError: If it lasts longer than `max_seconds`.
        """
        if seconds > self.max_seconds:
            raise MediaLimitError(f"the media lasts longer than {self.max_seconds:g} seconds")

    def check_frames(self, frames: int) -> None:
        """Refuse more frames than the limits allow.

        Raises:
            MediaLimitError: If there are more than `max_frames`.
        """
        if frames > self.max_frames:
            raise MediaLimitError(f"the media holds more than {self.max_frames} frames")


DEFAULT_LIMITS = MediaLimits()


def check_file(path: Path, limits: MediaLimits) -> int:
    """Check what can be known of a file without opening a decoder.

    Args:
        path: The file.
        limits: Limits in force.

    Returns:
        Its size in bytes.

    Raises:
        EmptyMediaError: If it has no bytes.
        NotMediaError: If it is not a regular file.
        MediaLimitError: If it is larger than `max_bytes`.
        FileNotFoundError: If there is no such file.
    """
    if not os.path.lexists(path):
        raise FileNotFoundError(f"no such media file: `{path.name}`")
    if not path.is_file():
        raise NotMediaError("not a regular file")
    size = path.stat().st_size
    if size == 0:
        raise EmptyMediaError("the file is empty")
    if size > limits.max_bytes:
        raise MediaLimitError(f"the file is larger than {limits.max_bytes} bytes")
    return size
