"""Signing: whole or not at all, and honest about why not."""

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provenance.errors import (
    EmptyMediaError,
    KeyMaterialError,
    MalformedMediaError,
    SignerUnavailableError,
    SigningError,
    StorageFullError,
    TimestampUnavailableError,
    UnsupportedMediaError,
)
from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    pki,
    sign_file,
)
from provenance.manifests import sign as sign_module
from provenance.manifests.profile import TIME_STAMPING
from provenance.manifests.read import read_here

NOW = datetime.now(UTC)


class Failing:
    """A signer whose key is out of reach."""

    alg = "es256"

    def __init__(self, chain: str, error: Exception) -> None:
        self.certificate_chain_pem = chain
        self._error = error

    def sign(self, data: bytes) -> bytes:
        assert data
        raise self._error


def issued_signer(profile: pki.LeafProfile) -> LocalSigner:
    root = pki.issue_root("Root", NOW)
    issuing = pki.issue_authority("Issuing", root, pki.SIGNING_PURPOSES, NOW)
    leaf = pki.issue_leaf("Leaf", issuing, NOW, profile)
    chain = leaf.certificate_pem() + issuing.certificate_pem()
    return LocalSigner(SigningIdentity(chain, leaf.key, development=True))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4v", "avi"])
def test_every_supported_container_signs_and_reads_trusted(
    suffix: str,
    make_clip: Callable[..., Path],
    claim: ClaimRequest,
    signer: LocalSigner,
    trust: TrustPolicy,
    tmp_path: Path,
) -> None:
    source = make_clip(tmp_path / f"in.{suffix}", codec="mpeg4" if suffix == "avi" else "libx264")
    signed = sign_file(source, tmp_path / f"out.{suffix}", claim, signer=signer, timestamp_url=None)
    reading = read_here(tmp_path / f"out.{suffix}", trust)
    assert (reading.intact, reading.trusted) == (True, True)
    assert reading.manifest_id == signed.manifest_id
    assert reading.manifest == signed.manifest


def test_the_source_is_left_as_it_was(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, tmp_path: Path
) -> None:
    before = clip.read_bytes()
    sign_file(clip, tmp_path / "out.mp4", claim, signer=signer, timestamp_url=None)
    assert clip.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_timestamp_gives_the_signature_a_trusted_time(
    clip: Path,
    claim: ClaimRequest,
    signer: LocalSigner,
    trust: TrustPolicy,
    authority: DevelopmentTimestampAuthority,
    tmp_path: Path,
) -> None:
    sign_file(clip, tmp_path / "out.mp4", claim, signer=signer, timestamp_url=authority.url)
    reading = read_here(tmp_path / "out.mp4", trust)
    assert reading.timestamp_trusted
    assert reading.signed_at is not None
    assert abs(reading.signed_at - datetime.now(UTC)) < timedelta(minutes=5)


def test_an_unreachable_timestamp_authority_leaves_nothing(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, tmp_path: Path
) -> None:
    with pytest.raises(TimestampUnavailableError):
        sign_file(clip, tmp_path / "out.mp4", claim, signer=signer, timestamp_url="http://127.0.0.1:9/")
    assert list(tmp_path.iterdir()) == []


def test_a_refusing_timestamp_authority_leaves_nothing(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, keys: Path, tmp_path: Path
) -> None:
    broken = SigningIdentity(chain_pem="no chain", key=SigningIdentity.load(keys).key, development=True)
    with DevelopmentTimestampAuthority(broken) as authority, pytest.raises(TimestampUnavailableError):
        sign_file(clip, tmp_path / "out.mp4", claim, signer=signer, timestamp_url=authority.url)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_survives_a_failed_signing(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"the previous release")
    with pytest.raises(TimestampUnavailableError):
        sign_file(clip, output, claim, signer=signer, timestamp_url="http://127.0.0.1:9/")
    assert output.read_bytes() == b"the previous release"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SignerUnavailableError("the signer behind its socket does not answer"), SignerUnavailableError),
        (RuntimeError("a defect"), SigningError),
    ],
)
def test_a_failing_signer_is_told_apart_and_leaves_nothing(
    error: Exception,
    expected: type[Exception],
    clip: Path,
    claim: ClaimRequest,
    signer: LocalSigner,
    tmp_path: Path,
) -> None:
    failing = Failing(signer.certificate_chain_pem, error)
    with pytest.raises(expected):
        sign_file(clip, tmp_path / "out.mp4", claim, signer=failing, timestamp_url=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("profile", "fault"),
    [
        (pki.LeafProfile(purposes=(TIME_STAMPING,)), "leaf_purpose"),
        (pki.LeafProfile(digital_signature=False), "leaf_key_usage"),
        (pki.LeafProfile(starts=timedelta(days=-400), validity=timedelta(days=300)), "leaf_expired"),
        (pki.LeafProfile(starts=timedelta(days=30)), "leaf_not_yet_valid"),
    ],
)
def test_a_leaf_outside_its_profile_is_refused_before_signing(
    profile: pki.LeafProfile, fault: str, clip: Path, claim: ClaimRequest, tmp_path: Path
) -> None:
    with pytest.raises(KeyMaterialError, match=fault):
        sign_file(clip, tmp_path / "out.mp4", claim, signer=issued_signer(profile), timestamp_url=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", EmptyMediaError),
        (b"hello, this is text", UnsupportedMediaError),
        (b"\x1a\x45\xdf\xa3" + bytes(100), UnsupportedMediaError),
        (b"\x00\x00\x00\x18ftypisom" + b"\xff" * 60, MalformedMediaError),
    ],
)
def test_what_cannot_carry_a_manifest_is_refused(
    content: bytes, expected: type[Exception], claim: ClaimRequest, signer: LocalSigner, tmp_path: Path
) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(content)
    with pytest.raises(expected):
        sign_file(source, tmp_path / "out.mp4", claim, signer=signer, timestamp_url=None)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_signed_source_is_not_cut_off_from_its_history(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, trust: TrustPolicy, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    sign_file(clip, first, claim, signer=signer, timestamp_url=None)
    with pytest.raises(SigningError, match="name it as a parent"):
        sign_file(first, second, claim, signer=signer, timestamp_url=None)
    sign_file(first, second, replace(claim, parents=(first,)), signer=signer, timestamp_url=None)
    ingredients = read_here(second, trust).ingredients
    assert [one.manifest_id for one in ingredients] == [read_here(first, trust).manifest_id]


def test_a_broken_parent_is_refused(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, tmp_path: Path
) -> None:
    parent = tmp_path / "parent.mp4"
    parent.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\xff" * 60)
    with pytest.raises((MalformedMediaError, SigningError)):
        sign_file(
            clip, tmp_path / "out.mp4", replace(claim, parents=(parent,)), signer=signer, timestamp_url=None
        )
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_leaves_nothing(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object, _data: bytes) -> int:
        error = OSError(errno.ENOSPC, "no space left on device")
        monkeypatch.undo()
        _self.failure = error  # type: ignore[attr-defined] # the private class under test
        raise error

    monkeypatch.setattr(sign_module._Output, "write", full)
    with pytest.raises(StorageFullError):
        sign_file(clip, tmp_path / "out.mp4", claim, signer=signer, timestamp_url=None)
    assert list(tmp_path.iterdir()) == []
