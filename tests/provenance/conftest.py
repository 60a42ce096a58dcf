"""Keys, a small clip and a timestamp authority for the tests that sign and read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    GrantReference,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    init_development_pki,
)

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
