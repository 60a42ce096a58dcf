"""The leaf profile that the library does not enforce."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from provenance.errors import KeyMaterialError
from provenance.manifests import pki
from provenance.manifests.profile import (
    CLAIM_SIGNING,
    TIME_STAMPING,
    anchored_in,
    leaf_faults,
    load_chain,
    require_fit_to_sign,
    validity_faults,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROOT = pki.issue_root("Root", NOW)
ISSUING = pki.issue_authority("Issuing", ROOT, pki.SIGNING_PURPOSES, NOW)
OTHER_ROOT = pki.issue_root("Other", NOW)


@pytest.mark.parametrize(
    ("profile", "faults"),
    [
        (pki.LeafProfile(), ()),
        (pki.LeafProfile(purposes=(CLAIM_SIGNING,)), ()),
        (pki.LeafProfile(purposes=(TIME_STAMPING,)), ("leaf_purpose",)),
        (pki.LeafProfile(purposes=(CLAIM_SIGNING, TIME_STAMPING)), ("leaf_purpose",)),
        (pki.LeafProfile(purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)), ("leaf_purpose",)),
        (pki.LeafProfile(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), ("leaf_purpose",)),
        (pki.LeafProfile(digital_signature=False), ("leaf_key_usage",)),
    ],
)
def test_only_leaves_meant_to_sign_claims_pass(profile: pki.LeafProfile, faults: tuple[str, ...]) -> None:
    assert leaf_faults(pki.issue_leaf("Leaf", ISSUING, NOW, profile).certificate) == faults


def test_an_authority_is_no_leaf() -> None:
    assert "leaf_is_authority" in leaf_faults(ISSUING.certificate)


@pytest.mark.parametrize(
    ("days", "faults"), [(0, ()), (400, ("leaf_expired",)), (-10, ("leaf_not_yet_valid",))]
)
def test_validity_is_judged_at_the_given_instant(days: int, faults: tuple[str, ...]) -> None:
    leaf = pki.issue_leaf("Leaf", ISSUING, NOW).certificate
    assert validity_faults(leaf, NOW + timedelta(days=days)) == faults


def test_the_error_names_every_fault() -> None:
    profile = pki.LeafProfile(purposes=(TIME_STAMPING,), digital_signature=False)
    leaf = pki.issue_leaf("Leaf", ISSUING, NOW, profile)
    with pytest.raises(KeyMaterialError, match="leaf_key_usage, leaf_purpose, leaf_expired"):
        require_fit_to_sign(leaf.certificate_pem(), NOW + timedelta(days=999))


def test_a_chain_is_anchored_by_its_signatures() -> None:
    leaf = pki.issue_leaf("Leaf", ISSUING, NOW).certificate
    chain = (leaf, ISSUING.certificate)
    for anchor, answer in ((ROOT, True), (ISSUING, True), (OTHER_ROOT, False)):
        assert anchored_in(chain, (anchor.certificate,)) is answer
    assert not anchored_in((leaf,), (ROOT.certificate,))
    assert not anchored_in((), (ROOT.certificate,))
    assert not anchored_in((leaf, leaf, leaf), (ROOT.certificate,))


def test_a_leaf_cannot_vouch_for_another_leaf() -> None:
    leaf = pki.issue_leaf("Leaf", ISSUING, NOW)
    below = pki.issue_leaf("Below", leaf, NOW)
    assert not anchored_in((below.certificate, leaf.certificate, ISSUING.certificate), (ROOT.certificate,))


def test_no_certificates_is_an_error() -> None:
    with pytest.raises(KeyMaterialError, match="PEM"):
        load_chain("")
