"""Where a recording rests between its arrival and its measurement: sealed in the object store, then gone.

In: sealed bytes. Out: for as long as a `with` block lasts, a plain file that only this process can read.
"""

import errno
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from consent_service.kernel.errors import NotFoundError, StorageFullError
from consent_service.kernel.ids import CameoId

_NO_SPACE: Final = ("os error 28", "No space left", "os error 122")
_STALE_SECONDS: Final = 3600.0
_FOLDER: Final = "cameos"


class Recordings:
    """The object store and the folder of work files, as this slice uses them."""

    def __init__(self, store: ObjectStore, work_root: Path) -> None:
        self._store = store
        self._work_root = work_root

    def put(self, cameo_id: CameoId, sealed: bytes) -> None:
        """Keep a sealed recording.

        Raises:
            StorageFullError: There is no room; nothing was kept.
        """
        try:
            obstore.put(self._store, _key(cameo_id), sealed)
        except BaseError as error:
            if any(sign in str(error) for sign in _NO_SPACE):
                raise StorageFullError("storage_full", "there is no room to store the recording") from error
            raise

    def get(self, cameo_id: CameoId) -> bytes:
        """Return a sealed recording.

        Raises:
            NotFoundError: Code `recording_gone`.
        """
        try:
            return bytes(obstore.get(self._store, _key(cameo_id)).bytes())
        except FileNotFoundError as error:
            raise NotFoundError("recording_gone", "the recording is no longer stored") from error

    def delete(self, cameo_id: CameoId) -> None:
        """Remove a recording; one that is not there is fine."""
        with suppress(FileNotFoundError):
            obstore.delete(self._store, _key(cameo_id))

    def old(self) -> tuple[CameoId, ...]:
        """Return the cameos whose recordings have been stored for longer than any request or job lasts."""
        listed = (item for page in obstore.list(self._store, _FOLDER) for item in page)
        before = datetime.now(UTC) - timedelta(seconds=_STALE_SECONDS)
        return tuple(CameoId(Path(item["path"]).name) for item in listed if item["last_modified"] < before)

    @contextmanager
    def opened(self, plain: bytes) -> Iterator[Path]:
        """Yield a plain file with these bytes, readable by this process's user only; gone after the block.

        Raises:
            StorageFullError: There is no room for it.
        """
        self._work_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        with tempfile.NamedTemporaryFile(dir=self._work_root) as file:  # made with mode 0600
            try:
                file.write(plain)
                file.flush()
            except OSError as error:
                if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                    raise StorageFullError("storage_full", "there is no room for work files") from error
                raise
            yield Path(file.name)

    def _sweep(self) -> None:
        """Remove what a killed process left behind; a measurement is over long before."""
        for path in self._work_root.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


def _key(cameo_id: CameoId) -> str:
    return f"{_FOLDER}/{cameo_id}"
