"""Finds files that end before they say they do.

In: an open container and its file. Out: nothing, or `MalformedMediaError`. FFmpeg hands over what is left of
a cut file and says nothing; a verdict about half a clip would be a verdict about a file that nobody made.

Source: ISO/IEC 14496-12, 4.2 (boxes); RFC 8794, 4-5 and RFC 9559, 5.1 (EBML, Matroska segment); RIFF.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

from av.container import InputContainer

from provenance.errors import MalformedMediaError

_MAX_BOXES = 10_000
_SEGMENT = b"\x18\x53\x80\x67"
_RIFF_UNKNOWN = 0xFFFFFFF0


def check_complete(container: InputContainer, path: Path, size: int) -> None:
    """Refuse a file that ends before what its structure or its index promises.

    Args:
        container: The open container.
        path: Its file.
        size: Bytes of the file.

    Raises:
        MalformedMediaError: If something declared lies beyond the end.
    """
    with path.open("rb") as file:
        if any(end > size for end in _declared_ends(container.format.name, file)):
            raise MalformedMediaError("the file is cut short")
    for stream in container.streams:
        if stream.type not in ("video", "audio"):
            continue
        if any(entry.pos + entry.size > size for entry in stream.index_entries):
            raise MalformedMediaError("the file is cut short")


def _declared_ends(format_name: str, file: io.BufferedReader) -> Iterator[int]:
    """Offsets at which parts of the file claim to end."""
    if "mp4" in format_name:
        return _box_ends(file)
    if "matroska" in format_name:
        return _segment_end(file)
    if format_name in ("avi", "wav"):
        return _riff_end(file)
    return iter(())


def _box_ends(file: io.BufferedReader) -> Iterator[int]:
    offset = 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:  # noqa: PLR2004  # the smallest box
            return
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:  # noqa: PLR2004  # a 64-bit length follows the type
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # noqa: PLR2004  # 0: up to the end of the file; anything else is not a box
            return
        offset += length
        yield offset


def _element_size(head: bytes) -> tuple[int, int]:
    """Bytes the size field takes, and the size it holds; (0, 0) if unknown or unreadable."""
    length = 9 - head[0].bit_length() if head and head[0] else 0
    if length == 0 or len(head) < length:
        return 0, 0
    value = int.from_bytes(head[:length], "big") & ((1 << 7 * length) - 1)
    return (0, 0) if value == (1 << 7 * length) - 1 else (length, value)


def _segment_end(file: io.BufferedReader) -> Iterator[int]:
    head = file.read(4096)
    start = head.find(_SEGMENT)
    if start < 0:
        return
    start += len(_SEGMENT)
    length, size = _element_size(head[start : start + 8])
    if length:
        yield start + length + size


def _riff_end(file: io.BufferedReader) -> Iterator[int]:
    head = file.read(8)
    if len(head) == 8 and head[:4] == b"RIFF":  # noqa: PLR2004  # name and length
        length = struct.unpack("<I", head[4:])[0]
        if length < _RIFF_UNKNOWN:
            yield 8 + length
