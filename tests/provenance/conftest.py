"""Keys, a small clip and a timestamp authority for the tests that sign and read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from numpy.typing import NDArray

from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    GrantReference,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    init_development_pki,
)
from provenance.media import write_video
from provenance.watermark import KeyRing, mark_file

PAYLOAD = bytes.fromhex("0123456789abcdef")
GRANT = GrantReference("grant-7f3a", "ab" * 32, "https://consent.example/v1/status-lists/1#7")


def encode_clip(path: Path, *, seed: int = 1, frames: int = 24, codec: str = "libx264") -> Path:
    """A one-second moving pattern without sound."""
    noise = np.random.default_rng(seed).integers(0, 255, (96, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=Fraction(24))
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for index in range(frames):
            picture = np.roll(noise, index * 2, axis=1)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode())
    return path


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Path]:
    return encode_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys") / "pki"
    init_development_pki(directory, datetime.now(UTC))
    return directory


@pytest.fixture(scope="session")
def trust(keys: Path) -> TrustPolicy:
    return TrustPolicy.load(keys)


@pytest.fixture(scope="session")
def signer(keys: Path) -> LocalSigner:
    return LocalSigner(SigningIdentity.load(keys))


@pytest.fixture(scope="session")
def authority(keys: Path) -> Iterator[DevelopmentTimestampAuthority]:
    with DevelopmentTimestampAuthority.load(keys) as running:
        yield running


@pytest.fixture(scope="session")
def ring(keys: Path) -> KeyRing:
    """Watermark keys, stored beside the signing keys as `keys init` does."""
    return KeyRing.create(keys)


def texture(seed: int, frames: int = 48) -> list[NDArray[np.uint8]]:
    """A landscape of soft noise, panned; unlike any other seed's, `(360, 480, 3)` uint8 BGR."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(360, 480 + 2 * frames)).astype(np.float32)
    layers = sum(
        (sigma**2 * cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in (1.5, 4.0, 12.0, 40.0)), noise
    )
    ground = np.asarray(20 + 215 * (layers - layers.min()) / np.ptp(layers), np.uint8)
    tinted = np.asarray(cv2.merge([ground, cv2.GaussianBlur(ground, (0, 0), 3), 255 - ground]), np.uint8)
    return [tinted[:, 2 * step : 2 * step + 480] for step in range(frames)]


def write_picture(path: Path, *, seed: int) -> Path:
    write_video(path, texture(seed), 12, crf=14)
    return path


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Path]:
    return write_picture


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds that carry a mark well."""
    return write_picture(tmp_path_factory.mktemp("picture") / "picture.mp4", seed=3)


@pytest.fixture(scope="session")
def marked(picture: Path, ring: KeyRing, payload: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, marked with `payload`."""
    path = tmp_path_factory.mktemp("marked") / "marked.mp4"
    mark_file(picture, path, payload=payload, key=ring.active, preset="ultrafast")
    return path


@pytest.fixture(scope="session")
def payload() -> bytes:
    return PAYLOAD


@pytest.fixture
def claim() -> ClaimRequest:
    return ClaimRequest(
        title="Test clip",
        created_at=datetime(2026, 11, 22, 8, tzinfo=UTC),
        watermark_payload=PAYLOAD,
        grants=(GRANT,),
    )
