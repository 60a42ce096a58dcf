"""What marking, signing and verifying a clip cost, against a plain x264 transcode and a SHA-256."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import Result, median_seconds
from consent_service.biometrics.registry import ModelRegistry
from consent_service.demo.people import SHE
from consent_service.demo.performance import Say
from consent_service.demo.studio import Studio, Take
from consent_service.settings import Settings
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
from provenance.media import probe, transcode
from provenance.softbinding.repository import DirectoryRepository
from provenance.verify import verify_file
from provenance.watermark import KeyRing, mark_file

RUNS = 3
SIZE = (1280, 720)
CRF = 18


def measure(folder: Path) -> list[Result]:
    """Make a clip, publish it and verify it, each beside its baseline."""
    source, marked, signed, plain = (
        folder / f"{name}.mp4" for name in ("source", "marked", "signed", "plain")
    )
    seconds = compose(source)
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
    size = f"{signed.stat().st_size / 1e6:.1f} MB, {SIZE[0]}x{SIZE[1]}, {seconds:.1f} s, a speaking head"
    return [
        Result("publish (mark, sign, timestamp) per clip second", publishing / seconds, "s",
               "plain x264 transcode", transcoding / seconds, RUNS, size),
        Result("verify a published clip", verifying, "s", "SHA-256 of the file", hashing, RUNS,
               f"{size}; both marks are read from pixels and samples, which no hash does"),
    ]  # fmt: skip


def compose(path: Path) -> float:
    """Compose a generated clip, a person speaking, and return its length in seconds."""
    words = (Say("Happy birthday my dear friend, and many happy returns of the day"),)
    Studio(ModelRegistry.from_settings(Settings())).compose(SHE, words, path, Take(size=SIZE))
    return probe(path).seconds
