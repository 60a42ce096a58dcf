"""Reading: separate answers, no network, and a verdict instead of a crash on hostile files."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import c2pa
import encypher_c2pa
import pytest

from provenance.errors import EmptyMediaError
from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    Generator,
    LocalSigner,
    SigningIdentity,
    TrustPolicy,
    init_development_pki,
    pki,
    read_file,
    read_recovered,
    sign_file,
)
from provenance.manifests.claim import define
from provenance.manifests.profile import TIME_STAMPING
from provenance.manifests.read import read_here
from provenance.manifests.report import judge
from provenance.softbinding.assertion import SOFT_BINDING_ALG


@pytest.fixture(scope="module")
def signed(
    clip: Path,
    signer: LocalSigner,
    authority: DevelopmentTimestampAuthority,
    tmp_path_factory: pytest.TempPathFactory,
    payload: bytes,
) -> Path:
    path = tmp_path_factory.mktemp("signed") / "signed.mp4"
    claim = ClaimRequest(
        title="Signed",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        generator=Generator("Example model", "2.0"),
        watermark_payload=payload,
        fingerprint=b"\x01" + bytes(8),
    )
    sign_file(clip, path, claim, signer=signer, timestamp_url=authority.url)
    return path


def test_our_own_file_reads_intact_and_trusted_in_the_sandbox(
    signed: Path, trust: TrustPolicy, payload: bytes
) -> None:
    reading = read_file(signed, trust=trust)
    assert (reading.present, reading.malformed) == (True, False)
    assert (reading.intact, reading.claim_intact, reading.trusted) == (True, True, True)
    assert reading.timestamp_trusted
    assert reading.signer_common_name == "Development Claim Signer"
    assert reading.source_types == ("trainedAlgorithmicMedia",)
    assert [one.value for one in reading.soft_bindings if one.alg == SOFT_BINDING_ALG] == [payload]
    assert reading.reasons == ("revocation_unknown",)
    assert reading.trailing_bytes == 0


def test_an_independent_validator_agrees(signed: Path, trust: TrustPolicy) -> None:
    report = encypher_c2pa.verify(
        signed,
        trust_pem=trust.anchors_pem,
        tsa_trust_pem=trust.tsa_anchors_pem,
        no_default_trust=True,
        online=False,
    )
    assert report["validation_state"] == "Trusted"
    assert report["validation_results"]["failure"] == []
    assert (report["integrity"], report["hard_binding"]) == ("valid", "match")


def test_the_library_itself_says_trusted(signed: Path, trust: TrustPolicy) -> None:
    with c2pa.Context.from_dict(trust.settings()) as context, c2pa.Reader(signed, context=context) as reader:
        assert reader.get_validation_state() == "Trusted"


def test_one_flipped_byte_in_the_content_is_seen(signed: Path, trust: TrustPolicy, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[data.rindex(b"mdat") + 100] ^= 1
    path = tmp_path / "flipped.mp4"
    path.write_bytes(data)
    reading = read_file(path, trust=trust)
    assert (reading.intact, reading.claim_intact, reading.trusted) == (False, True, True)
    assert "assertion.bmffHash.mismatch" in reading.reasons


def test_a_changed_assertion_is_seen(signed: Path, trust: TrustPolicy, tmp_path: Path) -> None:
    path = tmp_path / "changed.mp4"
    path.write_bytes(signed.read_bytes().replace(b"Example model", b"Another model"))
    reading = read_here(path, trust)
    assert (reading.intact, reading.claim_intact) == (False, False)
    assert "assertion.hashedURI.mismatch" in reading.reasons


def test_a_foreign_root_is_intact_and_untrusted(signed: Path, tmp_path: Path) -> None:
    init_development_pki(tmp_path, datetime.now(UTC))
    reading = read_here(signed, TrustPolicy.load(tmp_path))
    assert (reading.intact, reading.trusted, reading.timestamp_trusted) == (True, False, False)
    assert {"signer_untrusted", "timestamp_untrusted"} <= set(reading.reasons)


def test_timestamp_anchors_vouch_for_no_claim_and_the_reverse(signed: Path, trust: TrustPolicy) -> None:
    swapped = TrustPolicy(trust.tsa_anchors_pem, trust.anchors_pem)
    reading = read_here(signed, swapped)
    assert (reading.intact, reading.trusted, reading.timestamp_trusted) == (True, False, False)
    without = read_here(signed, TrustPolicy(trust.anchors_pem))
    assert (without.trusted, without.timestamp_trusted) == (True, False)


def test_a_leaf_for_timestamping_is_refused_though_the_library_trusts_it(
    clip: Path, claim: ClaimRequest, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    root = pki.issue_root("Root", now)
    issuing = pki.issue_authority("Issuing", root, (*pki.SIGNING_PURPOSES, TIME_STAMPING), now)
    leaf = pki.issue_leaf("Leaf", issuing, now, pki.LeafProfile(purposes=(TIME_STAMPING,)))
    trust = TrustPolicy(root.certificate_pem())
    chain = leaf.certificate_pem() + issuing.certificate_pem()
    path = tmp_path / "out.mp4"
    sign_as_stranger(clip, path, claim, LocalSigner(SigningIdentity(chain, leaf.key, development=True)))
    with c2pa.Context.from_dict(trust.settings()) as context, c2pa.Reader(path, context=context) as reader:
        assert reader.get_validation_state() == "Trusted"
    reading = read_here(path, trust)
    assert (reading.intact, reading.trusted) == (True, False)
    assert "leaf_purpose" in reading.reasons


def test_an_untrusted_timestamp_keeps_no_expired_certificate_alive(signed: Path, trust: TrustPolicy) -> None:
    reading = read_here(signed, trust)
    report, later = json.loads(reading.json), datetime.now(UTC) + timedelta(days=3650)
    assert judge(report, reading.manifest, trust, later).trusted
    without = judge(report, reading.manifest, TrustPolicy(trust.anchors_pem), later)
    assert (without.intact, without.trusted) == (True, False)
    assert "leaf_expired" in without.reasons


def sign_as_stranger(
    source: Path, destination: Path, claim: ClaimRequest, signer: LocalSigner, url: str = ""
) -> None:
    """Sign without any of our own checks, as anyone could."""
    purposes = TrustPolicy(signer.certificate_chain_pem).settings()
    with (
        c2pa.Context.from_dict(purposes) as context,
        c2pa.Builder(define(claim, "video/mp4"), context) as builder,
    ):
        if url:
            builder.set_remote_url(url)
            builder.set_no_embed()
        chain = signer.certificate_chain_pem
        with c2pa.Signer.from_callback(signer.sign, c2pa.C2paSigningAlg.ES256, chain) as library_signer:
            builder.sign_file(source, destination, library_signer)


def test_appended_bytes_are_counted_though_the_file_stays_intact(
    signed: Path, trust: TrustPolicy, tmp_path: Path
) -> None:
    path = tmp_path / "appended.mp4"
    path.write_bytes(signed.read_bytes() + (1000).to_bytes(4, "big") + b"free" + bytes(992))
    reading = read_here(path, trust)
    assert (reading.intact, reading.trailing_bytes) == (True, 1000)
    assert reading.manifest_id == read_here(signed, trust).manifest_id


def test_a_recovered_manifest_is_as_signed_but_not_this_file(
    signed: Path, clip: Path, trust: TrustPolicy, tmp_path: Path
) -> None:
    manifest = read_here(signed, trust).manifest
    other_container = tmp_path / "copy.mkv"
    other_container.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(64))
    for path in (clip, other_container):
        reading = read_recovered(path, manifest, trust=trust)
        assert (reading.intact, reading.claim_intact, reading.trusted) == (False, True, True)


def test_an_unsigned_file_has_no_manifest(clip: Path, trust: TrustPolicy) -> None:
    reading = read_file(clip, trust=trust)
    assert (reading.present, reading.malformed, reading.intact) == (False, False, None)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 8,
        b"RIFF\xff\xff\xff\xffAVI " + b"\x00" * 400,
        b"\x00\x00\x00\x18ftyp",
        b"plain text, no media at all",
    ],
)
def test_garbage_gets_a_reading_not_a_crash(content: bytes, trust: TrustPolicy, tmp_path: Path) -> None:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(content)
    reading = read_file(path, trust=trust)
    assert reading.intact is None
    assert reading.trusted is None


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_never_intact(
    keep: float, signed: Path, trust: TrustPolicy, tmp_path: Path
) -> None:
    data = signed.read_bytes()
    path = tmp_path / "short.mp4"
    path.write_bytes(data[: int(len(data) * keep)])
    assert not read_here(path, trust).intact


def test_an_empty_file_is_no_question(trust: TrustPolicy, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(EmptyMediaError):
        read_file(tmp_path / "empty.mp4", trust=trust)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/m.c2pa", seen
        server.shutdown()
        thread.join()


def test_a_manifest_address_in_the_file_is_never_fetched(
    listener: tuple[str, list[str]],
    clip: Path,
    claim: ClaimRequest,
    signer: LocalSigner,
    trust: TrustPolicy,
    tmp_path: Path,
) -> None:
    url, seen = listener
    path = tmp_path / "remote.mp4"
    sign_as_stranger(clip, path, claim, signer, url)
    for reading in (read_here(path, trust), read_file(path, trust=trust)):
        assert not reading.present
        assert reading.reasons == ("remote_manifest_not_fetched",)
    assert seen == []


def test_a_malformed_consent_assertion_is_told_and_left_out(
    clip: Path, claim: ClaimRequest, signer: LocalSigner, trust: TrustPolicy, tmp_path: Path
) -> None:
    grant = replace(claim.grants[0])
    object.__setattr__(grant, "status_url", "javascript:alert(1)")
    path = tmp_path / "out.mp4"
    sign_as_stranger(clip, path, replace(claim, grants=(grant,)), signer)
    reading = read_here(path, trust)
    assert reading.grants == ()
    assert "consent_assertion_malformed" in reading.reasons
