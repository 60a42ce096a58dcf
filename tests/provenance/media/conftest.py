"""Media made by ourselves, so that these tests run everywhere."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.media import write_video

Picture = NDArray[np.uint8]
RATE = 48_000


def moving_pictures(count: int, width: int, height: int) -> Iterator[Picture]:
    """A red top left quarter, a white square that wanders to the right, a blue slope."""
    for index in range(count):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, :, 0] = np.arange(width) * 255 // width
        picture[: height // 2, : width // 2] = (0, 0, 255)
        left = index * 4 % max(1, width - 32)
        picture[height // 2 : height // 2 + 24, left : left + 24] = 255
        yield picture


def noise(seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Noise whose place can be found again to the sample."""
    generator = np.random.default_rng(7)
    smooth = np.convolve(generator.standard_normal(int(seconds * rate)), np.ones(8) / 8, "same")
    return (0.2 * smooth).astype(np.float32)


@pytest.fixture(scope="session")
def pictures() -> Callable[[int, int, int], Iterator[Picture]]:
    return moving_pictures


@pytest.fixture(scope="session")
def sound() -> NDArray[np.float32]:
    return noise(1.0)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second, 320x240, 30 frames per second, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, moving_pictures(30, 320, 240), 30, noise(1.0), RATE)
    return path


@pytest.fixture(scope="session")
def silent_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "silent.mp4"
    write_video(path, moving_pictures(6, 160, 120), 30)
    return path
