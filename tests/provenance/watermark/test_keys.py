import logging
from pathlib import Path

import pytest

from provenance.errors import KeyMaterialError
from provenance.watermark.keys import KEY_FILE, KeyRing, WatermarkKey

SECRET = bytes(range(32))


def test_a_ring_survives_storage_and_is_private(tmp_path: Path) -> None:
    created = KeyRing.create(tmp_path / "keys")
    assert KeyRing.load(tmp_path / "keys") == created
    assert (tmp_path / "keys" / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_rotation_retires_the_former_key(tmp_path: Path) -> None:
    first = KeyRing.create(tmp_path)
    first.rotated().save(tmp_path)
    ring = KeyRing.load(tmp_path)
    assert ring.active.epoch == 2
    assert ring.retired == first.keys
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    created = KeyRing.create(tmp_path)
    with pytest.raises(KeyMaterialError, match="never overwritten"):
        KeyRing.create(tmp_path)
    assert KeyRing.load(tmp_path) == created


def test_an_open_file_is_refused(tmp_path: Path) -> None:
    KeyRing.create(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(KeyMaterialError, match="0600"):
        KeyRing.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"[]",
        b'{"version": 2, "keys": []}',
        b'{"version": 1, "keys": []}',
        b'{"version": 1, "keys": [{"epoch": 1, "secret": "abcd"}]}',
        b'{"version": 1, "keys": [{"epoch": 1, "secret": "no hex"}]}',
    ],
)
def test_broken_files_are_refused_without_showing_them(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyMaterialError):
        KeyRing.load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="cannot be read"):
        KeyRing.load(tmp_path)


def test_two_keys_of_one_epoch_are_refused() -> None:
    with pytest.raises(KeyMaterialError):
        KeyRing((WatermarkKey(1, SECRET), WatermarkKey(1, SECRET[::-1])))


def test_secrets_do_not_show(caplog: pytest.LogCaptureFixture) -> None:
    key = WatermarkKey(1, SECRET)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(__name__).info("%s %r", key, KeyRing((key,)))
    assert SECRET.hex() not in caplog.text
    assert repr(SECRET) not in caplog.text


def test_labels_and_epochs_separate_keys() -> None:
    labels = ["video layout", "video whitening", "video tag", "audio layout", "audio whitening", "audio tag"]
    derived = [WatermarkKey(epoch, SECRET).derive(label) for epoch in (1, 2) for label in labels]
    assert len(set(derived)) == len(derived)
