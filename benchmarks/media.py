"""What marking, signing and verifying a clip cost, against a plain x264 transcode and a SHA-256."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.report import Result, median_seconds
from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    Generator,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    init_development_pki,
    sign_file,
)
from provenance.media import transcode, write_video
from provenance.softbinding.repository import DirectoryRepository
from provenance.verify import verify_file
from provenance.watermark import KeyRing, mark_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUNS = 3
SECONDS, RATE, WIDTH, HEIGHT = 6, 25, 1280, 720
CRF = 18


def measure(folder: Path) -> list[Result]:
    """Make a clip, publish it and verify it, each beside its baseline."""
    source, marked, signed, plain = (
        folder / f"{name}.mp4" for name in ("source", "marked", "signed", "plain")
    )
    compose(source)
    init_development_pki(folder / "pki", datetime.now(UTC))
    keys = KeyRing.create(folder / "keys")
    identity = SigningIdentity.load(folder / "pki")
    trust = TrustPolicy.load(folder / "pki")
    payload = os.urandom(8)
    claim = ClaimRequest(
        title="Benchmark",
        created_at=datetime.now(UTC),
        generator=Generator("Benchmark", "1"),
        watermark_payload=payload,
    )
    with DevelopmentTimestampAuthority.load(folder / "pki") as authority:

        def publish() -> None:
            mark_file(source, marked, payload=payload, key=keys.active, crf=CRF)
            sign_file(marked, signed, claim, signer=LocalSigner(identity), timestamp_url=authority.url)

        publishing = median_seconds(publish, RUNS)
    transcoding = median_seconds(lambda: transcode(source, plain, crf=CRF, preset="medium"), RUNS)
    repository = DirectoryRepository(folder / "repository")

    def verify() -> None:
        verify_file(signed, trust=trust, keys=keys, repository=repository, consent=None)

    verifying = median_seconds(verify, RUNS)
    hashing = median_seconds(lambda: hashlib.sha256(signed.read_bytes()).digest(), 20)
    size = f"{signed.stat().st_size / 1e6:.1f} MB, {WIDTH}x{HEIGHT}, {SECONDS} s"
    return [
        Result("publish (mark, sign, timestamp) per clip second", publishing / SECONDS, "s",
               "plain x264 transcode", transcoding / SECONDS, RUNS, size),
        Result("verify a published clip", verifying, "s", "SHA-256 of the file", hashing, RUNS,
               f"{size}; both marks are read from pixels and samples, which no hash does"),
    ]  # fmt: skip


def compose(path: Path) -> None:
    """Write a clip with moving texture and a voice-like sound; nobody is in it."""
    random = np.random.default_rng(7)
    canvas = random.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), dtype=np.uint8)
    canvas = cv2.resize(canvas, (WIDTH * 2, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    frames: list[NDArray[np.uint8]] = [
        np.ascontiguousarray(canvas[:, 4 * number : 4 * number + WIDTH]) for number in range(SECONDS * RATE)
    ]
    time = np.arange(SECONDS * 48_000) / 48_000
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 30))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * time)
    noise = random.normal(0, 0.05, time.size)
    sound = (0.15 * envelope * (np.asarray(tone) + noise)).astype(np.float32)
    write_video(path, iter(frames), RATE, sound, 48_000)
