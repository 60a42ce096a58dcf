"""Anyone may ask what a file is, but not so many at once that others are not served."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_service.container import Container
from consent_service.kernel.errors import UnavailableError
from consent_service.verification import service
from provenance.verify import VerdictState


@pytest.fixture
def crowd(container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fill every place with callers whose files take as long as the test does."""
    inside, done = threading.Semaphore(0), threading.Event()

    def slow(*_: object, **__: object) -> None:
        inside.release()
        done.wait()

    monkeypatch.setattr(service, "verify_file", slow)
    verify = container.verification.verify
    callers = [threading.Thread(target=verify, args=(tmp_path,)) for _ in range(2)]
    for caller in callers:
        caller.start()
        inside.acquire()
    monkeypatch.undo()
    yield
    done.set()
    for caller in callers:
        caller.join()


@pytest.mark.usefixtures("crowd")
def test_who_finds_the_waiting_room_full_is_told_at_once(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verification = container.verification
    for _ in range(6):
        assert verification._room.acquire(blocking=False)  # a caller who waits
    monkeypatch.setattr(service, "_PATIENCE", 3600.0)
    with pytest.raises(UnavailableError) as caught:
        verification.verify(tmp_path / "x")
    assert caught.value.code == "verification_busy"


def test_a_place_is_free_again_after_a_verdict(container: Container, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no media")
    for _ in range(9):
        assert container.verification.verify(tmp_path / "x").state is VerdictState.MALFORMED
