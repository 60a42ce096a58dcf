"""Writes a file so that readers see the old one, the new one, or none: never half of one.

In: a destination and what a writer puts into the open file. Out: the file, in place by rename after fsync, or
an error and nothing left behind. Partial files bear the token of their process, so that a caller can remove
what a killed process left.
"""

import contextlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provenance.errors import MediaLimitError
from provenance.media.failures import translated

_token = secrets.token_hex(8)
PARTIAL_SUFFIX = ".partial"


def set_token(token: str) -> None:
    """Name this process's partial files; the worker calls it once, before anything is written."""
    global _token  # noqa: PLW0603  # one process, one token
    _token = token


class OutputFile(io.FileIO):
    """An unbuffered file for FFmpeg to write to: whole writes, a size limit, and the first failure kept.

    FFmpeg forgets some write errors before it closes a file; `failure` does not.

    Args:
        path: Where to write; must not exist.
        max_bytes: Largest size.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, "x+")
        self._max_bytes = max_bytes
        self.failure: Exception | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # FFmpeg hands over bytes only
        """Write all of `data`.

        Raises:
            MediaLimitError: If the file would pass its size limit.
            OSError: If the system refuses (no space, say).
        """
        try:
            self._write_all(memoryview(data))
        except Exception as error:
            self.failure = self.failure or error
            raise
        return len(data)

    def _write_all(self, data: memoryview) -> None:
        if self.tell() + len(data) > self._max_bytes:
            raise MediaLimitError("the output passed its size limit")
        while data:
            data = data[super().write(data) :]

    def check(self) -> None:
        """Raise the first failure met while writing, if any.

        Raises:
            Exception: That failure.
        """
        if self.failure is not None:
            raise self.failure


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(destination: Path, *, max_bytes: int) -> Iterator[OutputFile]:
    """Open a temporary file beside `destination` and move it there when the block succeeds.

    Args:
        destination: Final place; replaced if it exists.
        max_bytes: Largest size.

    Yields:
        The file to write.

    Raises:
        StorageFullError: If there is no space; nothing is left.
        MediaLimitError: If the size limit is passed; nothing is left.
    """
    partial = destination.with_name(f".{_token}-{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        with translated(), OutputFile(partial, max_bytes) as file:
            try:
                yield file
            finally:  # FFmpeg may have raised something vaguer than what the file knows
                file.check()
            os.fsync(file.fileno())
        partial.replace(destination)
        _sync_folder(destination.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise


def remove_partial(folder: Path, token: str) -> None:
    """Remove what a process with this token left unfinished in `folder`."""
    for leftover in folder.glob(f".{token}-*{PARTIAL_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            leftover.unlink()
