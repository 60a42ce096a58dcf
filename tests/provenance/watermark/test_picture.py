"""The picture's mark as arrays: laws of the geometry, and copies whose shape was changed."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from provenance.watermark.accumulator import Accumulator, whitened
from provenance.watermark.detector import detect_video
from provenance.watermark.embedding import VideoEmbedder, amplitude
from provenance.watermark.geometry import Geometry, PilotMatcher, fold, halved, mirror, spectrum
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.pattern import BAND, PERIOD, PicturePattern, layout_for
from provenance.watermark.quality import psnr, ssim
from provenance.watermark.reports import Detection
from tests.provenance.watermark.conftest import PAYLOAD, moving_texture

Luma = NDArray[np.uint8]
KEY = WatermarkKey(1, b"\x51" * 32)
OTHERS = tuple(WatermarkKey(epoch, bytes([epoch]) * 32) for epoch in range(2, 5))


@pytest.fixture(scope="module")
def frames() -> list[Luma]:
    return [
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8) for picture in moving_texture(10, 640, 360)
    ]


@pytest.fixture(scope="module")
def marked(frames: list[Luma]) -> list[Luma]:
    embedder = VideoEmbedder(PicturePattern.saying(KEY, PAYLOAD).render(640, 360))
    return [embedder.mark(frame) for frame in frames]


def read(frames: list[Luma], *keys: WatermarkKey, deep: bool = False) -> Detection:
    accumulator = Accumulator()
    for frame in frames:
        accumulator.add(np.ascontiguousarray(frame))
    summed = accumulator.summed
    assert summed is not None
    return detect_video(summed, keys or (KEY,), deep=deep)


def test_the_mark_is_read_and_hardly_seen(frames: list[Luma], marked: list[Luma]) -> None:
    found = read(marked)
    assert (found.payload, found.epoch, found.stage) == (PAYLOAD, 1, "fast")
    assert psnr(frames[0], marked[0]) > 40
    assert ssim(frames[0], marked[0]) > 0.97


def test_several_keys_share_one_sum(marked: list[Luma]) -> None:
    found = read(marked, *OTHERS, KEY)
    assert (found.payload, found.epoch) == (PAYLOAD, 1)


def resized(width: int, height: int) -> Callable[[Luma], Luma]:
    return lambda luma: cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def turned(luma: Luma) -> Luma:
    matrix = cv2.getRotationMatrix2D((320, 180), 1.4, 1.04)
    return cv2.warpAffine(luma, matrix, (640, 360), flags=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (lambda luma: luma[:, ::-1], "fast"),
        (resized(320, 180), "fast"),
        (resized(960, 540), "fast"),
        (lambda luma: luma[97:277, 133:453], "deep"),
        (lambda luma: luma[30:330, 50:590][:, ::-1], "deep"),
        (lambda luma: np.pad(resized(480, 270)(luma), ((45, 45), (80, 80))), "deep"),
        (resized(480, 360), "deep"),
        (turned, "deep"),
    ],
    ids=["mirrored", "half", "larger", "cropped", "cropped and mirrored", "letterbox", "squeezed", "turned"],
)
def test_changed_copies_are_read(marked: list[Luma], change: Callable[[Luma], Luma], stage: str) -> None:
    found = read([change(frame) for frame in marked], deep=True)
    assert (found.payload, found.stage) == (PAYLOAD, stage)
    assert found.false_positive_bound > 26


def test_unmarked_frames_read_as_nothing(frames: list[Luma]) -> None:
    found = read(frames, KEY, OTHERS[0], deep=True)
    assert (found.payload, found.epoch, found.stage) == (None, None, "deep")
    assert found.score < 8
    assert found.false_positive_bound > 25


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=10, deadline=None)
def test_other_keys_read_nothing(secret: bytes) -> None:
    embedder = VideoEmbedder(PicturePattern.saying(KEY, PAYLOAD).render(640, 360), 4.0)
    plain = np.full((360, 640), 128, np.uint8)
    assert read([embedder.mark(plain)], WatermarkKey(1, secret)).payload is None


def test_clips_of_one_key_start_at_different_places() -> None:
    patterns = [PicturePattern.saying(KEY, PAYLOAD[:7] + bytes([last])) for last in range(16)]
    assert len({pattern.phase for pattern in patterns}) == 16
    mean = np.mean([pattern.render(640, 360) for pattern in patterns], axis=0)
    assert mean.std() < 0.35  # the pilots do not add up


def test_the_pattern_keeps_to_its_band() -> None:
    power = np.abs(np.fft.rfft2(PicturePattern.saying(KEY, PAYLOAD).tile)) ** 2
    radius = np.hypot(np.fft.fftfreq(PERIOD)[:, None], np.fft.rfftfreq(PERIOD)[None, :])
    outside = power[(radius < BAND[0]) | (radius > BAND[1])].sum()
    assert outside < 1e-6 * power.sum()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_mirroring_twice_changes_nothing(seed: int) -> None:
    half = np.fft.rfft2(np.random.default_rng(seed).normal(size=(64, 64))).astype(np.complex64)
    assert mirror(mirror(half)) == pytest.approx(half)


def test_the_mirrored_pilot_fits_the_mirrored_picture(marked: list[Luma]) -> None:
    accumulator = Accumulator()
    accumulator.add(marked[0])
    summed = accumulator.summed
    assert summed is not None
    image, matcher = whitened(summed), PilotMatcher(layout_for(KEY))
    straight = matcher.fit(spectrum(image, Geometry()), Geometry())
    flipped = np.ascontiguousarray(image[:, ::-1])
    mirrored = matcher.fit(spectrum(flipped, Geometry()), Geometry(mirrored=True))
    assert mirrored.score == pytest.approx(straight.score, rel=0.05)


@given(st.integers(1, 700), st.integers(1, 700))
@settings(max_examples=20, deadline=None)
def test_folding_keeps_the_sum(height: int, width: int) -> None:
    assert fold(np.ones((height, width), np.float32)).sum() == height * width


def test_halving_keeps_low_frequencies() -> None:
    rows, columns = np.mgrid[0:360, 0:640]
    wave = np.cos(2 * np.pi * (rows * 20 / 360 + columns * 64 / 640)).astype(np.float32)
    assert halved(wave) == pytest.approx(wave[::2, ::2], abs=1e-4)


@pytest.mark.parametrize("shape", [(2, 2), (16, 90), (721, 1281), (90, 16)])
def test_odd_and_tiny_frames_are_marked_and_read_without_failing(shape: tuple[int, int]) -> None:
    luma = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    embedder = VideoEmbedder(PicturePattern.saying(KEY, PAYLOAD).render(shape[1], shape[0]))
    assert embedder.mark(luma).shape == shape
    assert read([luma]).modality == "video"


def test_texture_carries_more_than_flat_ground() -> None:
    noisy = np.random.default_rng(2).integers(0, 256, (360, 640), dtype=np.uint8)
    assert amplitude(noisy, 1.0).mean() > 2 * amplitude(np.full_like(noisy, 90), 1.0).mean()
