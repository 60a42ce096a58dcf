"""Journey 4: what is this file? Verified, tampered, recovered, unknown; and nothing is kept of it."""

from pathlib import Path

from consent_service.demo.client import Caller, JsonObject
from provenance.media import transcode
from tests.journeys.conftest import Service


def test_the_published_file_is_verified(
    stranger: Caller, published: JsonObject, published_file: Path
) -> None:
    verdict = stranger.send("/v1/verifications", published_file)
    answers = {name: verdict[name] for name in ("intact", "trusted", "marked", "consented")}
    assert verdict["state"] == "verified", verdict
    assert set(answers.values()) == {"yes"}
    assert verdict["good"] is True
    assert verdict["manifest_id"] == published["manifest_id"]
    assert verdict["sentence"].endswith("the consent behind it stands.")


def test_a_flipped_byte_is_tampering(stranger: Caller, published_file: Path, tmp_path: Path) -> None:
    content = bytearray(published_file.read_bytes())
    content[-len(content) // 4] ^= 1  # in the media data, far from the manifest
    flipped = tmp_path / "flipped.mp4"
    flipped.write_bytes(content)
    verdict = stranger.send("/v1/verifications", flipped)
    assert (verdict["state"], verdict["intact"], verdict["good"]) == ("tampered", "no", False)


def test_a_small_copy_without_metadata_leads_back_to_its_manifest(
    service: Service, stranger: Caller, published: JsonObject, published_file: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    transcode(published_file, copy, crf=28, scale=0.5)
    verdict = stranger.send("/v1/verifications", copy)
    assert verdict["state"] == "recovered", verdict
    assert verdict["manifest_id"] == published["manifest_id"]
    assert (verdict["intact"], verdict["trusted"], verdict["marked"]) == ("no", "yes", "yes")
    assert verdict["consented"] == "yes"
    assert not [name for name in service.left_behind() if name.startswith("incoming")]


def test_an_unsigned_file_tells_nothing(stranger: Caller, greeting: Path) -> None:
    verdict = stranger.send("/v1/verifications", greeting)
    assert verdict["state"] == "no_credentials"
    assert verdict["consented"] == "unknown"
