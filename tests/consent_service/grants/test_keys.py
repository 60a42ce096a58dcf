"""Keys are private on disk, named by what they are, and never rotate faster than verifiers can follow."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey

from consent_service.grants import tokens
from consent_service.grants.keys import FOLDER, SigningKeys, public_keys
from consent_service.kernel.errors import ConflictError, InvalidInputError, UnavailableError

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_keys_are_files_only_their_owner_can_read(tmp_path: Path) -> None:
    keys = SigningKeys.create(tmp_path)
    files = list((tmp_path / FOLDER).iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
    assert "BEGIN" not in repr(keys)
    assert all("d" not in jwk for jwk in keys.jwks["keys"])


def test_the_kid_is_the_thumbprint_others_compute(tmp_path: Path) -> None:
    for jwk in SigningKeys.create(tmp_path).jwks["keys"]:
        assert ECKey.import_key(dict(jwk)).thumbprint() == jwk["kid"]


def test_creating_twice_keeps_the_first(tmp_path: Path) -> None:
    keys = SigningKeys.create(tmp_path)
    with pytest.raises(ConflictError):
        SigningKeys.create(tmp_path)
    assert SigningKeys.load(tmp_path).kid == keys.kid


def test_a_creation_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    (tmp_path / f"{FOLDER}.new").mkdir()
    (tmp_path / f"{FOLDER}.new" / "half.pem").write_text("half")
    SigningKeys.create(tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 3
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_rotation_signs_with_a_key_published_before_and_keeps_the_old_one_public(tmp_path: Path) -> None:
    before = SigningKeys.create(tmp_path)
    token = tokens.sign({"a": 1}, typ="x+jwt", keys=before)
    after = SigningKeys.rotate(tmp_path)
    assert after.kid == before.jwks["keys"][1]["kid"]
    assert not (tmp_path / FOLDER / f"{before.kid}.pem").exists()
    newer = tokens.sign({"a": 2}, typ="x+jwt", keys=after)
    held = public_keys(before.jwks)
    assert tokens.verify(newer, typ="x+jwt", keys=held).claims == {"a": 2}
    assert tokens.verify(token, typ="x+jwt", keys=public_keys(after.jwks)).claims == {"a": 1}


def test_missing_or_broken_keys_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        SigningKeys.load(tmp_path)
    assert caught.value.code == "grant_keys_missing"
    keys = SigningKeys.create(tmp_path)
    folder = tmp_path / FOLDER
    other = next(jwk["kid"] for jwk in keys.jwks["keys"] if jwk["kid"] != keys.kid)
    good = (folder / "ring.json").read_text()
    active = (folder / f"{keys.kid}.pem").read_bytes()
    ed25519 = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for spoil in (
        lambda: (folder / "ring.json").write_text("{"),
        lambda: (folder / "ring.json").write_text(good.replace(f'"active": "{keys.kid}"', '"active": "x"')),
        lambda: (folder / f"{keys.kid}.pem").write_bytes((folder / f"{other}.pem").read_bytes()),
        lambda: (folder / f"{keys.kid}.pem").write_bytes(b"nothing"),
        lambda: (folder / f"{keys.kid}.pem").write_bytes(ed25519),
        (folder / f"{keys.kid}.pem").unlink,
    ):
        (folder / "ring.json").write_text(good)
        (folder / f"{keys.kid}.pem").write_bytes(active)
        spoil()
        with pytest.raises(UnavailableError) as caught:
            SigningKeys.load(tmp_path)
        assert caught.value.code == "grant_keys_broken"


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"kty": None},
        {"crv": "P-384"},
        {"alg": "ES384"},
        {"use": "enc"},
        {"d": "AAAA"},
        {"kid": "mine"},
        {"kid": None},
        {"x": "AAAA"},
        {"x": 5},
        {"x": "A" * 43},
        {"y": None},
        {"x": "not base64url!"},
    ],
)
def test_a_key_set_with_any_other_key_is_refused(keys: SigningKeys, change: dict[str, Any]) -> None:
    jwks = deepcopy(dict(keys.jwks))
    jwk = dict(jwks["keys"][0]) | change
    jwks["keys"][0] = {name: value for name, value in jwk.items() if value is not None}
    with pytest.raises(InvalidInputError) as caught:
        public_keys(jwks)
    assert caught.value.code == "jwks_invalid"


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": ["x"]}, {"keys": [{}] * 65}])
def test_a_key_set_of_another_shape_is_refused(jwks: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        public_keys(jwks)


def test_optional_members_may_be_absent(keys: SigningKeys) -> None:
    bare = [{k: v for k, v in jwk.items() if k not in ("alg", "use")} for jwk in keys.jwks["keys"]]
    assert set(public_keys(json.loads(json.dumps({"keys": bare})))) == {jwk["kid"] for jwk in bare}
