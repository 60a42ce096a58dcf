"""The store and the work folders: whole or not at all."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from obstore.store import LocalStore

from consent_service.clips.files import ClipFiles, published_key, room_for, sha256_of, source_key
from consent_service.kernel.errors import NotFoundError, StorageFullError
from consent_service.kernel.ids import ClipId, new_id

CLIP = ClipId(new_id("clp"))


@pytest.fixture
def files(tmp_path: Path) -> ClipFiles:
    return ClipFiles(LocalStore(tmp_path / "store", mkdir=True), tmp_path / "work")


@contextmanager
def no_room_above(size: int) -> Iterator[None]:
    """Let no file of this process grow above `size` bytes: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_put_first_stays(files: ClipFiles, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"0123456789")
    files.put("a/b", source, "clip")
    files.put("a/b", b"something else", "clip")
    assert files.read("a/b") == b"0123456789"
    assert b"".join(files.stream("a/b", 3)) == b"3456789"
    assert b"".join(files.stream("a/b", 3, 5)) == b"34"
    assert files.keys("a") == ("a/b",)
    files.delete("a/b")
    files.delete("a/b")
    assert files.keys("a") == ()


def test_a_fetched_file_is_whole_and_fetched_once(files: ClipFiles) -> None:
    files.put("k", b"content", "clip")
    target = files.work(CLIP) / "source"
    assert files.fetch("k", target).read_bytes() == b"content"
    files.delete("k")
    assert files.fetch("k", target).read_bytes() == b"content"


def test_a_missing_object_is_not_found_and_leaves_no_file(files: ClipFiles) -> None:
    target = files.work(CLIP) / "source"
    with pytest.raises(NotFoundError):
        files.fetch("nothing", target)
    assert not target.exists()


def test_a_work_folder_is_private_and_can_be_discarded(files: ClipFiles) -> None:
    folder = files.work(CLIP)
    (folder / "marked.mp4").write_bytes(b"x")
    assert folder.stat().st_mode & 0o077 == 0
    assert files.worked_on() == (CLIP,)
    files.discard_work(CLIP)
    files.discard_work(CLIP)
    assert files.worked_on() == ()


def test_nobody_has_worked_before_the_first_clip(files: ClipFiles) -> None:
    assert files.worked_on() == ()


def test_a_full_disk_leaves_nothing_in_the_store(files: ClipFiles, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(bytes(200_000))
    with no_room_above(50_000), pytest.raises(StorageFullError):
        files.put("clips/large", source, "clip")
    assert files.keys("clips") == ()


def test_a_full_disk_leaves_no_work_file_under_its_name(files: ClipFiles) -> None:
    files.put("k", bytes(200_000), "clip")
    target = files.work(CLIP) / "source"
    with no_room_above(50_000), pytest.raises(StorageFullError):
        files.fetch("k", target)
    assert not target.exists()


def test_other_failures_keep_their_name() -> None:
    with pytest.raises(PermissionError), room_for("clip"):
        raise PermissionError(os.strerror(13))


def test_names_tell_clip_and_content(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"")
    assert published_key(CLIP, sha256_of(file)).startswith(f"published/{CLIP}/e3b0c442")
    assert source_key(CLIP) == f"sources/{CLIP}"
