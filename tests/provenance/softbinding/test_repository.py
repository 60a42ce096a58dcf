"""The folder of manifests: whole files, found by identifier, prefix or picture."""

from pathlib import Path

import pytest

from provenance.answer import Answer
from provenance.errors import ProvenanceError
from provenance.softbinding.fingerprint import Fingerprint
from provenance.softbinding.repository import DirectoryRepository, RepositoryError, StoredManifest
from provenance.softbinding.resolution import resolve_fingerprint, resolve_watermark

PAYLOAD = bytes.fromhex("0123456789abcdef")
SIBLING = bytes.fromhex("0123456789000000")
NEAR, FAR = Fingerprint((0b1111,)), Fingerprint((2**64 - 1,))
FIRST = StoredManifest("urn:c2pa:1", b"one", PAYLOAD, NEAR.encode())
SECOND = StoredManifest("urn:c2pa:2", b"two", SIBLING, FAR.encode())
UNMARKED = StoredManifest("urn:c2pa:3", b"three", None, None)


@pytest.fixture
def repository(tmp_path: Path) -> DirectoryRepository:
    made = DirectoryRepository(tmp_path / "manifests")
    for stored in (FIRST, SECOND, UNMARKED):
        made.store(stored)
    return made


def test_an_identifier_finds_its_manifest(repository: DirectoryRepository) -> None:
    assert repository.find_by_watermark(PAYLOAD) == (FIRST,)
    assert repository.find_by_watermark(bytes(8)) == ()


def test_the_prefix_that_sound_carries_finds_all_who_share_it(repository: DirectoryRepository) -> None:
    assert set(repository.find_by_watermark(PAYLOAD[:5])) == {FIRST, SECOND}


def test_storing_again_replaces(repository: DirectoryRepository, tmp_path: Path) -> None:
    repository.store(StoredManifest("urn:c2pa:1", b"new", PAYLOAD, None))
    assert [stored.manifest for stored in repository.find_by_watermark(PAYLOAD)] == [b"new"]
    assert not [path for path in (tmp_path / "manifests").iterdir() if path.suffix != ".json"]


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert DirectoryRepository(tmp_path / "none").find_by_watermark(PAYLOAD) == ()


def test_an_impossible_identifier_is_refused(repository: DirectoryRepository) -> None:
    with pytest.raises(ValueError, match="bytes"):
        repository.find_by_watermark(b"*")


def test_a_broken_file_is_told(repository: DirectoryRepository, tmp_path: Path) -> None:
    (tmp_path / "manifests" / f"{PAYLOAD.hex()}-x.json").write_text("{")
    with pytest.raises(RepositoryError):
        repository.find_by_watermark(PAYLOAD)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProvenanceError):
        DirectoryRepository(tmp_path / "file" / "below").store(FIRST)


def test_candidates_come_most_alike_first(repository: DirectoryRepository) -> None:
    found = resolve_watermark(PAYLOAD[:5], FAR, repository)
    assert [one.stored for one in found] == [SECOND, FIRST]
    assert [one.same_content for one in found] == [Answer.YES, Answer.NO]
    assert [one.similarity for one in found] == [100, 6]


def test_without_a_fingerprint_likeness_stays_open(repository: DirectoryRepository) -> None:
    (found,) = resolve_watermark(PAYLOAD, None, repository)
    assert (found.distance_bits, found.similarity, found.same_content) == (None, None, Answer.UNKNOWN)


def test_the_picture_alone_finds_near_ones_only(repository: DirectoryRepository) -> None:
    assert [one.stored for one in resolve_fingerprint(NEAR, repository)] == [FIRST]
    assert resolve_fingerprint(None, repository) == ()
