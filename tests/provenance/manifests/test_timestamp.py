"""The development timestamp authority speaks RFC 3161."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from asn1crypto import tsp

from provenance.manifests import DevelopmentTimestampAuthority, SigningIdentity
from provenance.manifests.timestamp import answer

WHEN = datetime(2026, 11, 22, 9, 30, 15, tzinfo=UTC)


def request(nonce: int | None = 7) -> bytes:
    fields: dict[str, object] = {
        "version": "v1",
        "message_imprint": {
            "hash_algorithm": {"algorithm": "sha256"},
            "hashed_message": hashlib.sha256(b"x").digest(),
        },
        "cert_req": True,
    }
    if nonce is not None:
        fields["nonce"] = nonce
    return bytes(tsp.TimeStampReq(fields).dump())


@pytest.mark.parametrize("nonce", [7, None])
def test_it_repeats_imprint_and_nonce_and_states_the_time(keys: Path, nonce: int | None) -> None:
    reply = tsp.TimeStampResp.load(
        answer(request(nonce), SigningIdentity.load_timestamp_authority(keys), WHEN)
    )
    assert reply["status"]["status"].native == "granted"
    info = reply["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert info["gen_time"].native == WHEN
    assert info["nonce"].native == nonce
    assert info["message_imprint"]["hashed_message"].native == hashlib.sha256(b"x").digest()


def test_the_token_carries_its_chain(keys: Path) -> None:
    identity = SigningIdentity.load_timestamp_authority(keys)
    reply = tsp.TimeStampResp.load(answer(request(), identity, WHEN))
    assert len(reply["time_stamp_token"]["content"]["certificates"]) == 2


def test_nonsense_is_refused(authority: DevelopmentTimestampAuthority) -> None:
    assert httpx.post(authority.url, content=b"nonsense").status_code == 400
    assert httpx.post(authority.url, content=b"x" * 70_000).status_code == 413
    assert httpx.post(authority.url, content=request()).status_code == 200
