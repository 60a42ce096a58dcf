"""What a manifest of ours says, and what a claim request refuses."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.manifests.claim import ClaimRequest, GrantReference, decode_grants, define

WHEN = datetime(2026, 11, 22, 8, tzinfo=UTC)
GRANT = GrantReference("grant-1", "0" * 64, "https://consent.example/status/1")
BASE = ClaimRequest(title="Clip", created_at=WHEN, watermark_payload=bytes(8), grants=(GRANT,))


def assertion(claim: ClaimRequest, label: str) -> list[dict[str, object]]:
    assertions = define(claim, "video/mp4")["assertions"]
    assert isinstance(assertions, list)
    return [entry for entry in assertions if entry["label"] == label]


def actions(claim: ClaimRequest) -> list[str]:
    data = assertion(claim, "c2pa.actions.v2")[0]["data"]
    assert isinstance(data, dict)
    assert data["allActionsIncluded"] is True
    return [action["action"] for action in data["actions"]]


def test_a_generated_clip_is_created_watermarked_and_published() -> None:
    assert actions(BASE) == ["c2pa.created", "c2pa.watermarked.bound", "c2pa.published"]


def test_a_remix_is_opened_edited_and_has_others_placed_into_it() -> None:
    remix = replace(BASE, parents=(Path("a"), Path("b")))
    assert actions(remix)[:3] == ["c2pa.opened", "c2pa.edited", "c2pa.placed"]


def test_an_unmarked_clip_claims_no_mark() -> None:
    plain = replace(BASE, watermark_payload=None)
    assert "c2pa.watermarked.bound" not in actions(plain)
    assert assertion(plain, "c2pa.soft-binding") == []


def test_mark_and_fingerprint_are_both_bound() -> None:
    assert len(assertion(replace(BASE, fingerprint=b"\x01"), "c2pa.soft-binding")) == 2


def test_our_assertions_are_created_not_gathered() -> None:
    for label in ("c2pa.actions.v2", "c2pa.soft-binding", "c2pa.metadata", "org.consent-provenance.grants"):
        assert all(entry["created"] is True for entry in assertion(BASE, label))


def test_the_consent_assertion_holds_references_and_nothing_else() -> None:
    data = assertion(BASE, "org.consent-provenance.grants")[0]["data"]
    assert data == {
        "version": 1,
        "grants": [
            {
                "grant_id": "grant-1",
                "receipt_sha256": "0" * 64,
                "status_url": "https://consent.example/status/1",
            }
        ],
    }
    assert decode_grants(data) == (GRANT,)


@pytest.mark.parametrize(
    "fields",
    [
        ("", "0" * 64, "https://a.example"),
        ("a person", "0" * 64, "https://a.example"),
        ("g", "0" * 63, "https://a.example"),
        ("g", "G" * 64, "https://a.example"),
        ("g", "0" * 64, "ftp://a.example"),
        ("g", "0" * 64, "https://user:secret@a.example"),
        ("g", "0" * 64, "javascript:alert(1)"),
        ("g", "0" * 64, "https://a.example/" + "x" * 3000),
    ],
)
def test_a_grant_reference_validates_itself(fields: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"must|too long"):
        GrantReference(*fields)


def test_a_claim_request_validates_itself() -> None:
    with pytest.raises(ValueError, match="title"):
        replace(BASE, title="")
    with pytest.raises(ValueError, match="aware"):
        replace(BASE, created_at=WHEN.replace(tzinfo=None))
    with pytest.raises(ValueError, match="source_type"):
        replace(BASE, source_type="http://elsewhere")
    with pytest.raises(ValueError, match="8 bytes"):
        replace(BASE, watermark_payload=b"short")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(json_values | st.fixed_dictionaries({"grants": json_values}))
def test_foreign_consent_assertions_are_decoded_or_refused(data: object) -> None:
    with suppress(ValueError, TypeError):
        assert all(isinstance(grant, GrantReference) for grant in decode_grants(data))
