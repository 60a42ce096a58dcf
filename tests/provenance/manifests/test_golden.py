"""A file signed by release 0.1.0 still verifies, whatever the code has become since.

The keys that signed it are gone; the trusted timestamp is what keeps it valid after its certificate expires.
Never replace these files: add one for each release that changes what a manifest says.
"""

from datetime import datetime
from pathlib import Path

import encypher_c2pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.answer import Answer
from provenance.lineage import LineageState, assess
from provenance.manifests import TrustPolicy, read_file
from provenance.manifests.claim import GrantReference
from provenance.manifests.read import read_here
from provenance.softbinding.assertion import SOFT_BINDING_ALG, SoftBinding

GOLDEN = Path(__file__).parent / "golden"


def test_what_release_0_1_0_signed_still_verifies() -> None:
    reading = read_file(GOLDEN / "remix_0_1_0.mp4", trust=TrustPolicy.load(GOLDEN))
    assert (reading.intact, reading.trusted, reading.timestamp_trusted) == (True, True, True)
    assert reading.manifest_id == "urn:c2pa:ccf1dbec-1e36-43e1-a49d-224223f7accc"
    assert reading.signed_at is not None
    assert reading.signed_at < datetime.fromisoformat("2026-11-23T00:00:00Z")
    assert reading.soft_bindings == (SoftBinding(SOFT_BINDING_ALG, bytes.fromhex("0123456789abcdef")),)
    grant = GrantReference("grant-7f3a", "ab" * 32, "https://consent.example/v1/status-lists/1#7")
    assert reading.grants == (grant,)


def test_an_independent_validator_still_agrees() -> None:
    report = encypher_c2pa.verify(
        GOLDEN / "remix_0_1_0.mp4",
        trust_pem=(GOLDEN / "anchors.pem").read_text(),
        tsa_trust_pem=(GOLDEN / "tsa-anchors.pem").read_text(),
        no_default_trust=True,
        online=False,
    )
    assert (report["validation_state"], report["validation_results"]["failure"]) == ("Trusted", [])


def test_its_lineage_is_still_sound() -> None:
    verdict = assess(read_file(GOLDEN / "remix_0_1_0.mp4", trust=TrustPolicy.load(GOLDEN)))
    assert (verdict.state, verdict.sound) == (LineageState.SOUND, Answer.YES)
    assert verdict.manifest_ids == ("urn:c2pa:862e9430-efd8-4e3e-aa72-418bd276c09f",)


@settings(max_examples=30, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0), st.integers(0, 7)), min_size=1, max_size=4))
def test_whatever_bits_change_an_intact_reading_says_the_same(
    changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    trust, source = TrustPolicy.load(GOLDEN), GOLDEN / "remix_0_1_0.mp4"
    data = bytearray(source.read_bytes())
    for position, bit in changes:
        data[position % len(data)] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "mutated.mp4"
    path.write_bytes(data)
    found, original = read_here(path, trust), read_here(source, trust)
    if found.intact and found.trusted:
        said = ("manifest_id", "grants", "soft_bindings", "source_types", "signer_common_name")
        assert [getattr(found, name) for name in said] == [getattr(original, name) for name in said]
        assert found.signed_at == original.signed_at or not found.timestamp_trusted
        if assess(found).sound is Answer.YES:
            assert found.ingredients == original.ingredients
