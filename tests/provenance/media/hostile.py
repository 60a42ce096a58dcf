"""What a hostile file could make a decoder do, as functions to run in the sandbox.

A module of its own that imports little, because each process of these tests loads it.
"""

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from provenance.errors import MalformedMediaError
from provenance.media.atomic import replacing

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    values: NDArray[np.float32]


class StrangerError(Exception):
    """Takes two arguments, so it cannot be rebuilt from its message."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def answer(number: int, *, factor: float = 1.0) -> Answer:
    return Answer(number, np.arange(5, dtype=np.float32) * factor)


def report(progress: Callable[[float], None]) -> str:
    for step in range(5):
        progress(step / 4)
    return "done"


def fail_with(error: Exception) -> None:
    raise error


def fail_strangely() -> None:
    raise StrangerError("one", "two")


def return_function() -> object:
    return os.getcwd


def read_null() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def leave() -> None:
    os._exit(3)


def fill_memory(mebibytes: int) -> int:
    return len([b"x" * MIB for _ in range(mebibytes)])


def fill_memory_with_arrays() -> float:
    return float(np.ones((64, 1024, 1024, 8)).sum())


def share_memory() -> int:
    return len(mmap.mmap(-1, 64 * 1024 * MIB))


def burn() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(60)


def connect_out() -> None:
    socket.create_connection(("127.0.0.1", 9))


def make_socket(family: int) -> None:
    socket.socket(family)


def make_socket_pair() -> None:
    socket.socketpair()


def fork() -> None:
    os.fork()


def run_program() -> None:
    os.execv("/bin/true", ["true"])


def signal_caller(process_id: int) -> None:
    os.kill(process_id, 0)


def raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (100, 100))


def system_call(number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(number, 0, 0, 0, 0, 0)
    return ctypes.get_errno()


def use_threads() -> list[int]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: number * number, range(4)))


def environment() -> dict[str, str]:
    return dict(os.environ)


def open_descriptors() -> list[str]:
    return [str(Path(f"/proc/self/fd/{number}").readlink()) for number in (0, 1, 2)]


def descriptor_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def read_text(path: str) -> str:
    return Path(path).read_text()


def read_path(path: Path) -> str:
    return path.read_text()


def write_text(path: str) -> None:
    Path(path).write_text("x")


def write_whole(folder: Path, size: int, limit: int) -> None:
    with replacing(folder / "out", max_bytes=limit) as file:
        for _ in range(size // 1024):
            file.write(b"x" * 1024)


def write_plainly(folder: Path, size: int) -> None:
    with (folder / "out").open("wb", buffering=0) as file:
        for _ in range(size // 1024):
            file.write(b"x" * 1024)


def die_while_writing(folder: Path) -> None:
    with replacing(folder / "out", max_bytes=MIB) as file:
        file.write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def run_out_of_space(folder: Path) -> None:
    with replacing(folder / "out", max_bytes=MIB) as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def count_up() -> Iterator[tuple[int, int]]:
    number = 0
    while True:
        yield number, os.getpid()
        number += 1


def three_then_fail() -> Iterator[int]:
    yield from range(3)
    raise MalformedMediaError("the third was the last")


def arrays() -> Iterator[NDArray[np.uint8]]:
    for number in range(3):
        yield np.full((40, 50, 3), number, np.uint8)
