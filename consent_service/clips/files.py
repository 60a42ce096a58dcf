"""Where a clip's bytes lie: the source and the published file in the object store, work files on local disk.

In: finished local files. Out: objects under `sources/`, `published/` and `manifests/`, put complete or not at
all; and one private work folder per clip, which a later attempt finds again. A store that has no room raises
`StorageFullError`, and what was begun is taken away.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from consent_service.kernel.errors import NotFoundError, StorageFullError
from consent_service.kernel.ids import ClipId, is_id

if TYPE_CHECKING:
    from obstore import GetOptions  # the name exists for type checkers only

_NO_SPACE: Final = ("os error 28", "No space left", "os error 27", "File too large", "os error 122")
_CHUNK: Final = 1 << 20
_OLD: Final = timedelta(hours=1)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Turn "the disk is full", however it is said, into `StorageFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) and not _says_full(error):
            raise
        raise StorageFullError("storage_full", f"there is no room to store the {what}") from error
    except BaseError as error:
        if not _says_full(error):
            raise
        raise StorageFullError("storage_full", f"there is no room to store the {what}") from error


def _says_full(error: BaseException) -> bool:
    return any(sign in str(error) for sign in _NO_SPACE)


class ClipFiles:
    """The object store and the work folders, as this slice uses them."""

    def __init__(self, store: ObjectStore, work_root: Path) -> None:
        self._store = store
        self._work_root = work_root

    def work(self, clip_id: ClipId) -> Path:
        """Return the clip's private work folder, made when absent."""
        folder = self._work_root / clip_id
        with room_for("work files"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def discard_work(self, clip_id: ClipId) -> None:
        """Remove the clip's work folder and all in it."""
        shutil.rmtree(self._work_root / clip_id, ignore_errors=True)

    def worked_on(self) -> tuple[ClipId, ...]:
        """Return the clips that have a work folder."""
        if not self._work_root.is_dir():
            return ()
        names = (folder.name for folder in self._work_root.iterdir())
        return tuple(ClipId(name) for name in names if is_id(name, "clp"))

    def put(self, key: str, content: Path | bytes, what: str) -> None:
        """Store an object unless one of that key is there already; the key tells the content apart.

        Raises:
            StorageFullError: There was no room; nothing was stored.
        """
        with room_for(what), suppress(AlreadyExistsError):
            obstore.put(self._store, key, content, mode="create")

    def fetch(self, key: str, destination: Path) -> Path:
        """Copy an object to a local file, complete or not at all; a file already there is kept.

        Raises:
            NotFoundError: There is no such object.
            StorageFullError: There was no room.
        """
        if destination.exists():
            return destination
        part = destination.with_suffix(".part")
        with room_for("work files"), part.open("wb") as file:
            for chunk in self.stream(key):
                file.write(chunk)
        return part.replace(destination)

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) of an object, in chunks.

        Raises:
            NotFoundError: There is no such object.
        """
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        try:
            got = obstore.get(self._store, key, options=options)
        except FileNotFoundError as error:
            raise NotFoundError("file_not_found", "the file is no longer stored") from error
        for chunk in got.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)

    def read(self, key: str) -> bytes:
        """Return a small object whole.

        Raises:
            NotFoundError: There is no such object.
        """
        return b"".join(self.stream(key))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        with suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Return the keys of all finished objects under a prefix."""
        return tuple(item["path"] for page in obstore.list(self._store, prefix) for item in page)

    def old_keys(self, prefix: str) -> tuple[str, ...]:
        """Return the keys of those objects that were stored longer ago than any request lasts."""
        before = datetime.now(UTC) - _OLD
        listed = (item for page in obstore.list(self._store, prefix) for item in page)
        return tuple(item["path"] for item in listed if item["last_modified"] < before)


def source_key(clip_id: ClipId) -> str:
    """Return where the clip lies as it was handed in, until it comes to rest."""
    return f"sources/{clip_id}"


def published_key(clip_id: ClipId, sha256: str) -> str:
    """Return where the finished file lies: under its clip, named by its content."""
    return f"published/{clip_id}/{sha256}.mp4"


def manifest_key(clip_id: ClipId, sha256: str) -> str:
    """Return where the detached copy of a manifest lies."""
    return f"manifests/{clip_id}/{sha256}.c2pa"
