"""Development keys: private, never overwritten, loud about what they are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from provenance.errors import KeyMaterialError
from provenance.manifests import SigningIdentity, TrustPolicy, init_development_pki, pki
from provenance.manifests.keys import ANCHORS, SIGNER_CHAIN, SIGNER_KEY, TSA_KEY
from provenance.manifests.profile import leaf_faults, load_chain


def test_private_keys_are_readable_by_their_owner_only(keys: Path) -> None:
    for name in (SIGNER_KEY, TSA_KEY):
        assert (keys / name).stat().st_mode & 0o777 == 0o600


def test_every_certificate_says_that_it_is_for_development(keys: Path) -> None:
    for path in keys.glob("*.pem"):
        if path.name.endswith(".key.pem"):
            continue
        for certificate in load_chain(path.read_text()):
            assert "DEVELOPMENT ONLY" in certificate.subject.rfc4514_string()


def test_nothing_left_on_disk_can_issue_certificates(keys: Path) -> None:
    assert sorted(path.name for path in keys.glob("*.key.pem")) == ["signer.key.pem", "tsa.key.pem"]


def test_existing_keys_are_never_overwritten(keys: Path) -> None:
    before = (keys / SIGNER_KEY).read_bytes()
    with pytest.raises(KeyMaterialError, match="refusing to overwrite"):
        init_development_pki(keys, datetime.now(UTC))
    assert (keys / SIGNER_KEY).read_bytes() == before


def test_development_keys_are_refused_in_production(keys: Path) -> None:
    assert SigningIdentity.load(keys).development
    with pytest.raises(KeyMaterialError, match="refused in production"):
        SigningIdentity.load(keys, production=True)


def test_production_takes_proper_keys_that_only_their_owner_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "DEVELOPMENT_UNIT", "Signing")
    init_development_pki(tmp_path, datetime.now(UTC))
    assert not SigningIdentity.load(tmp_path, production=True).development
    (tmp_path / SIGNER_KEY).chmod(0o644)
    with pytest.raises(KeyMaterialError, match="0600"):
        SigningIdentity.load(tmp_path, production=True)
    (tmp_path / SIGNER_KEY).unlink()
    with pytest.raises(KeyMaterialError, match="missing"):
        SigningIdentity.load(tmp_path, production=True)


def test_the_private_key_never_shows(keys: Path) -> None:
    assert "key" not in repr(SigningIdentity.load(keys)).replace("SigningIdentity", "")


def test_the_leaf_fits_the_profile(keys: Path) -> None:
    assert leaf_faults(load_chain((keys / SIGNER_CHAIN).read_text())[0]) == ()


@pytest.mark.parametrize("name", [SIGNER_KEY, SIGNER_CHAIN])
@pytest.mark.parametrize("content", [None, "nonsense", ""])
def test_missing_or_broken_files_are_named(
    keys: Path, tmp_path: Path, name: str, content: str | None
) -> None:
    for path in keys.glob("signer.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(KeyMaterialError):
        SigningIdentity.load(tmp_path)


def test_a_key_that_does_not_belong_to_the_leaf_is_refused(keys: Path, tmp_path: Path) -> None:
    (tmp_path / SIGNER_KEY).write_bytes((keys / TSA_KEY).read_bytes())
    (tmp_path / SIGNER_CHAIN).write_bytes((keys / SIGNER_CHAIN).read_bytes())
    with pytest.raises(KeyMaterialError, match="does not belong"):
        SigningIdentity.load(tmp_path)


def test_trust_needs_anchors(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="missing"):
        TrustPolicy.load(tmp_path)
    (tmp_path / ANCHORS).write_text("no certificates here")
    with pytest.raises(KeyMaterialError, match="PEM"):
        TrustPolicy.load(tmp_path)
