import errno
import io
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import UploadFile

from consent_service.kernel.errors import InvalidInputError, StorageFullError, TooLargeError
from consent_service.settings import Settings
from consent_service.web.uploads import receive, sweep


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, max_upload_bytes=3_000_000)


def upload(content: bytes) -> UploadFile:
    return UploadFile(io.BytesIO(content), filename="../../etc/passwd")


def incoming(settings: Settings) -> list[Path]:
    return list((settings.data_dir / "incoming").iterdir())


def test_an_upload_lies_in_a_private_file_only_while_it_is_used(settings: Settings) -> None:
    content = bytes(range(256)) * 8_000
    with receive(upload(content), settings) as received:
        assert received.path.read_bytes() == content
        assert received.path.stat().st_mode & 0o777 == 0o600
        assert received.path.parent == settings.data_dir / "incoming"
        assert (received.size, received.sha256) == (len(content), sha256(content).hexdigest())
    assert incoming(settings) == []


def test_it_is_removed_when_its_use_fails(settings: Settings) -> None:
    def use() -> None:
        with receive(upload(b"x"), settings):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        use()
    assert incoming(settings) == []


def test_an_empty_upload_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidInputError) as caught, receive(upload(b""), settings):
        pass
    assert caught.value.code == "media_empty"
    assert incoming(settings) == []


def test_an_upload_over_the_limit_is_refused_and_removed(settings: Settings) -> None:
    with pytest.raises(TooLargeError) as caught, receive(upload(bytes(3_000_001)), settings):
        pass
    assert caught.value.code == "upload_too_large"
    assert incoming(settings) == []
    with receive(upload(bytes(3_000_000)), settings) as received:
        assert received.size == 3_000_000


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """Let the kernel refuse files longer than this: the same path a full disk takes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_keeps_nothing(settings: Settings) -> None:
    with (
        no_room_beyond(1_000_000),
        pytest.raises(StorageFullError) as caught,
        receive(upload(bytes(2_000_000)), settings),
    ):
        pass
    assert caught.value.code == "storage_full"
    assert incoming(settings) == []


def test_another_failure_of_the_disk_is_not_called_full(settings: Settings) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"), receive(UploadFile(Broken()), settings):
        pass
    assert incoming(settings) == []


def test_what_a_killed_process_left_is_swept(settings: Settings) -> None:
    folder = settings.data_dir / "incoming"
    folder.mkdir()
    (folder / "leftover").write_bytes(b"half")
    (folder / "arriving").write_bytes(b"half")
    now = datetime.now(UTC)
    os.utime(folder / "leftover", times=(now.timestamp() - 7200,) * 2)
    assert sweep(settings, now) == 1
    assert [path.name for path in incoming(settings)] == ["arriving"]
