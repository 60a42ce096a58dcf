"""A clip of our own making: moving texture with shading, and noise that talks and pauses as speech does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from provenance.media import write_video
from provenance.watermark import KeyRing, MarkReport, WatermarkKey, mark_file

SAMPLE_RATE = 48_000
SECONDS = 6.0
FRAMES = 72
PAYLOAD = bytes.fromhex("8c1f0d4be2a79356")


def moving_texture(
    frames: int = FRAMES, width: int = 640, height: int = 480, seed: int = 3
) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    size = (height + 2 * frames, width + 2 * frames)
    noise = rng.normal(size=size).astype(np.float32)
    terrain = np.zeros(size, np.float32)
    for sigma in (1.5, 4.0, 12.0, 40.0):
        terrain += sigma * sigma * cv2.GaussianBlur(noise, (0, 0), sigma)
    ground = np.asarray(20 + 215 * (terrain - terrain.min()) / np.ptp(terrain), np.uint8)
    tinted = np.asarray(
        cv2.merge([ground, cv2.GaussianBlur(ground, (0, 0), 3), 255 - cv2.GaussianBlur(ground, (0, 0), 9)]),
        np.uint8,
    )
    return [tinted[step : step + height, 2 * step : 2 * step + width] for step in range(frames)]


def babble(seconds: float = SECONDS, seed: int = 5) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    pitch = 110 + 25 * np.sin(2 * np.pi * 0.7 * time)
    voiced = scipy.signal.sawtooth(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
    coloured = scipy.signal.lfilter([1.0], [1.0, -0.9], voiced + 0.4 * rng.normal(size=count))
    corners = np.arange(0, seconds + 0.4, 0.2)
    syllables = np.interp(time, corners, rng.uniform(0, 1, len(corners)))
    pauses = (np.sin(2 * np.pi * 0.4 * time) > -0.7).astype(float)
    spoken = coloured * syllables * pauses + 0.002 * rng.normal(size=count)
    return np.asarray(0.3 * spoken / np.abs(spoken).max(), np.float32)


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return KeyRing((WatermarkKey(1, b"\x11" * 32), WatermarkKey(2, b"\x22" * 32)))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, moving_texture(), 12, babble(), SAMPLE_RATE, crf=12)
    return path


@pytest.fixture(scope="session")
def marked(clip: Path, ring: KeyRing) -> tuple[Path, MarkReport]:
    path = clip.with_name("marked.mp4")
    return path, mark_file(clip, path, payload=PAYLOAD, key=ring.active, preset="veryfast")
