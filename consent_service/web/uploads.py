"""Takes an upload to a file of its own under `data_dir/incoming`, and removes it whatever happens.

In: the multipart part of a request. Out: a path, its SHA-256 and size, valid inside the `with` block. What is
to stay is copied to the object store by the slice. Nothing about the file is believed here but its length.
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from fastapi import UploadFile

from consent_service.kernel.errors import InvalidInputError, StorageFullError, TooLargeError
from consent_service.settings import Settings

_CHUNK: Final = 1024 * 1024
_ABANDONED: Final = 3600.0  # seconds
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Received:
    """An upload on disk.

    Attributes:
        path: The temporary file, mode 0600, removed at the end of the block.
        sha256: Digest of its bytes in hex.
        size: Its length in bytes.
    """

    path: Path
    sha256: str
    size: int


@contextmanager
def receive(upload: UploadFile, settings: Settings) -> Iterator[Received]:
    """Copy the upload to a temporary file and yield it; the file is gone after the block.

    Raises:
        InvalidInputError: `media_empty`: there are no bytes.
        TooLargeError: `upload_too_large`: more than `max_upload_bytes`.
        StorageFullError: There is no room to keep it.
    """
    folder = settings.data_dir / "incoming"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / secrets.token_hex(16)
    try:
        yield _store(upload.file, path, settings.max_upload_bytes)
    finally:
        path.unlink(missing_ok=True)


def _store(source: BinaryIO, path: Path, limit: int) -> Received:
    digest, size = sha256(), 0
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            source.seek(0)
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise TooLargeError("upload_too_large", f"the upload is larger than {limit} bytes")
                digest.update(chunk)
                target.write(chunk)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StorageFullError("storage_full", "there is no room for the upload") from None
        raise
    if size == 0:
        raise InvalidInputError("media_empty", "the upload has no bytes")
    return Received(path, digest.hexdigest(), size)


def sweep(settings: Settings, now: datetime) -> int:
    """Remove what killed processes left in `incoming`; return how many files.

    Files of the last hour stay: another process may be receiving them.
    """
    removed = 0
    for path in (settings.data_dir / "incoming").glob("*"):
        with suppress(FileNotFoundError):
            if now.timestamp() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
                removed += 1
    return removed
