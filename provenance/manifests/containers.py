"""Which container a file is, and how many bytes trail behind what its signature can bind.

In: a file's path. Out: its MIME type by its first bytes (never by its name), and a count of trailing bytes.
The hard binding of MP4 leaves `free` and `skip` boxes out, so bytes can be appended to a signed file and it
stays intact: the count makes that visible. Identity is therefore the manifest's URN, never a hash of the
file.

Serves: ISO/IEC 14496-12 (boxes), C2PA 2.x clause A.5 (BMFF hash exclusions).
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

MP4, QUICKTIME, AVI, WAV = "video/mp4", "video/quicktime", "video/msvideo", "audio/wav"
_HEAD_BYTES = 16
_RIFF_KINDS = {b"AVI ": AVI, b"WAVE": WAV}
_UNBOUND = frozenset({b"free", b"skip"})
_BOX_HEADER, _LONG_BOX_HEADER = 8, 16


def media_type(path: Path) -> str | None:
    """The MIME type of a container that manifests can live in, or nothing.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp":
        return QUICKTIME if head[8:12] == b"qt  " else MP4
    if head[:4] == b"RIFF":
        return _RIFF_KINDS.get(head[8:12])
    return None


def trailing_bytes(path: Path) -> int:
    """Bytes after the last box (or RIFF chunk) that a signature can bind.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[:4] == b"RIFF":
            return max(0, size - _end_of_riff(file, size))
        return size - _end_of_bound_boxes(file, size)


def _end_of_riff(file: BinaryIO, size: int) -> int:
    # OpenDML splits large AVI files into several RIFF lists; they all count.
    position = 0
    while size - position >= _BOX_HEADER:
        file.seek(position)
        kind, length = struct.unpack("<4sI", file.read(_BOX_HEADER))
        if kind != b"RIFF":
            break
        position += _BOX_HEADER + length + length % 2
    return position


def _end_of_bound_boxes(file: BinaryIO, size: int) -> int:
    position = bound = 0
    while size - position >= _BOX_HEADER:
        kind, length = _box_at(file, position, size)
        if length < _BOX_HEADER or position + length > size:
            break
        position += length
        bound = bound if kind in _UNBOUND else position
    return bound


def _box_at(file: BinaryIO, position: int, size: int) -> tuple[bytes, int]:
    file.seek(position)
    header = file.read(_LONG_BOX_HEADER)
    length, kind = struct.unpack_from(">I4s", header)
    if length == 0:
        length = size - position
    elif length == 1:
        length = int.from_bytes(header[_BOX_HEADER:], "big")
    return kind, length


def sync_directory(directory: Path) -> None:
    """Make a rename in this directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
