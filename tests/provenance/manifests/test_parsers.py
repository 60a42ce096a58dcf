"""The small parsers: right on real stores, and never worse than a refusal on hostile ones."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    LocalSigner,
    SignedManifest,
    cbor,
    sign_file,
)
from provenance.manifests.containers import AVI, MP4, QUICKTIME, WAV, media_type, trailing_bytes
from provenance.manifests.jumbf import active_label, signature_of


@pytest.fixture(scope="module")
def stored(
    clip: Path,
    signer: LocalSigner,
    authority: DevelopmentTimestampAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> SignedManifest:
    claim = ClaimRequest(title="Clip", created_at=datetime(2026, 11, 22, tzinfo=UTC))
    path = tmp_path_factory.mktemp("parsers") / "out.mp4"
    return sign_file(clip, path, claim, signer=signer, timestamp_url=authority.url)


def test_certificates_are_found_in_a_real_store(stored: SignedManifest) -> None:
    signature = signature_of(stored.manifest, stored.manifest_id)
    names = [certificate.subject.rfc4514_string() for certificate in signature.chain]
    assert len(names) == 2
    assert "Development Claim Signer" in names[0]
    assert "Development Timestamp Authority" in signature.timestamp_chain[0].subject.rfc4514_string()


def test_an_unknown_manifest_is_refused(stored: SignedManifest) -> None:
    with pytest.raises(ValueError, match="no such manifest"):
        signature_of(stored.manifest, "urn:c2pa:other")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    position=st.integers(min_value=0), value=st.integers(0, 255), cut=st.integers(min_value=0, max_value=40)
)
def test_damaged_stores_are_parsed_or_refused(
    stored: SignedManifest, position: int, value: int, cut: int
) -> None:
    data = bytearray(stored.manifest)
    data[position % len(data)] = value
    with suppress(ValueError):
        signature_of(bytes(data[: len(data) - cut]), stored.manifest_id)


@given(st.binary(max_size=200))
def test_anything_is_a_store_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        active_label(data)
    with suppress(ValueError):
        cbor.decode(data)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("1864", 100),
        ("3903e7", -1000),
        ("43010203", b"\1\2\3"),
        ("6449455446", "IETF"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
        ("5f42010243030405ff", b"\1\2\3\4\5"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
        ("c11a514b67b0", 1363896240),
        ("f6", None),
        ("f93c00", None),
    ],
)
def test_examples_of_the_standard_decode(encoded: str, value: object) -> None:
    """RFC 8949 appendix A; floats are read past, no header of ours holds one."""
    assert cbor.decode(bytes.fromhex(encoded)) == value


BROKEN = ["", "43", "1c", "9f01", "a101", "7f43010203ff", "62c328", "82ff01", "81" * 40]


@pytest.mark.parametrize("encoded", BROKEN)
def test_broken_cbor_is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match="CBOR"):
        cbor.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypisom", MP4),
        (b"\0\0\0\x18ftypqt  ", QUICKTIME),
        (b"RIFF\0\0\0\0AVI ", AVI),
        (b"RIFF\0\0\0\0WAVE", WAV),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"\x1a\x45\xdf\xa3", None),
        (b"", None),
    ],
)
def test_containers_are_known_by_their_bytes(head: bytes, kind: str | None, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(head)
    assert media_type(path) == kind


def box(kind: bytes, size: int) -> bytes:
    return size.to_bytes(4, "big") + kind + bytes(size - 8)


@pytest.mark.parametrize(
    ("content", "trailing"),
    [
        (box(b"ftyp", 24) + box(b"mdat", 100), 0),
        (box(b"ftyp", 24) + box(b"free", 50) + box(b"mdat", 100), 0),
        (box(b"ftyp", 24) + box(b"mdat", 100) + box(b"free", 50) + box(b"skip", 30), 80),
        (box(b"ftyp", 24) + box(b"mdat", 100) + b"tail", 4),
        (box(b"ftyp", 24) + b"\0\0\0\0mdat" + bytes(90), 0),
        (box(b"ftyp", 24) + b"\0\0\0\1mdat" + (40).to_bytes(8, "big") + bytes(24) + b"xy", 2),
        (b"RIFF" + (12).to_bytes(4, "little") + b"AVI " + bytes(8) + b"tail", 4),
    ],
)
def test_trailing_bytes_are_counted(content: bytes, trailing: int, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert trailing_bytes(path) == trailing


@given(data=st.binary(max_size=120))
def test_trailing_bytes_never_exceed_the_file(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(b"\0\0\0\x18ftyp" + data)
    assert 0 <= trailing_bytes(path) <= path.stat().st_size
