import shutil
import stat
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import SQLModel, select

from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.kernel.errors import ConflictError, NotFoundError, UnavailableError
from consent_service.vault.envelope import UnreadableError, bind, seal, unseal
from consent_service.vault.keys import MASTER_KEY_FILE, LocalMasterKey
from consent_service.vault.service import SealedDataError, Vault
from consent_service.vault.tables import PersonKeyRow

ALICE, BOB = "per_alice", "per_bob"
KEY = bytes(range(32))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_database(f"sqlite:///{tmp_path / 'vault.db'}")
    SQLModel.metadata.create_all(made, tables=[SQLModel.metadata.tables["person_keys"]])
    yield made
    made.dispose()


@pytest.fixture
def vault(engine: Engine) -> Vault:
    made = Vault(LocalMasterKey(KEY))
    with transaction(engine) as session:
        made.create(session, ALICE)
        made.create(session, BOB)
    return made


def test_sealed_data_opens_for_its_owner_and_context_only(engine: Engine, vault: Vault) -> None:
    with reading(engine) as session:
        sealed = vault.seal(session, ALICE, b"a face", b"cameo:1")
        assert vault.open(session, ALICE, sealed, b"cameo:1") == b"a face"
        assert b"a face" not in sealed
        for person, context in ((BOB, b"cameo:1"), (ALICE, b"cameo:2"), (ALICE, b"")):
            with pytest.raises(SealedDataError):
                vault.open(session, person, sealed, context)


def test_sealing_twice_gives_different_bytes(engine: Engine, vault: Vault) -> None:
    with reading(engine) as session:
        assert vault.seal(session, ALICE, b"x", b"c") != vault.seal(session, ALICE, b"x", b"c")


def test_commitments_are_stable_and_personal(engine: Engine, vault: Vault) -> None:
    with reading(engine) as session:
        first = vault.commitment(session, ALICE, b"x")
        assert first == vault.commitment(session, ALICE, b"x")
        assert first not in {vault.commitment(session, BOB, b"x"), vault.commitment(session, ALICE, b"y")}
        assert len(bytes.fromhex(first)) == 32


def test_erasure_makes_everything_unreadable_and_cannot_be_undone(engine: Engine, vault: Vault) -> None:
    with transaction(engine) as session:
        sealed = vault.seal(session, ALICE, b"a face", b"c")
        vault.erase(session, ALICE)
        vault.erase(session, ALICE)
    with transaction(engine) as session:
        assert vault.is_erased(session, ALICE)
        with pytest.raises(NotFoundError, match="erased") as caught:
            vault.open(session, ALICE, sealed, b"c")
        assert caught.value.code == "key_erased"
        with pytest.raises(NotFoundError):
            vault.seal(session, ALICE, b"new", b"c")
        with pytest.raises(NotFoundError):
            vault.commitment(session, ALICE, b"x")
        with pytest.raises(ConflictError):
            vault.create(session, ALICE)
        assert vault.seal(session, BOB, b"others", b"c")


def test_a_restored_backup_of_the_sealed_rows_stays_unreadable_after_erase(
    engine: Engine, vault: Vault, tmp_path: Path
) -> None:
    rows = tmp_path / "sealed-rows"
    with reading(engine) as session:
        rows.write_bytes(vault.seal(session, ALICE, b"a face", b"c"))
    backup = shutil.copy(rows, tmp_path / "backup")
    with transaction(engine) as session:
        vault.erase(session, ALICE)
    rows.unlink()
    shutil.copy(backup, rows)
    with reading(engine) as session, pytest.raises(NotFoundError):
        vault.open(session, ALICE, rows.read_bytes(), b"c")
    with pytest.raises(UnreadableError):
        LocalMasterKey(KEY).unwrap(rows.read_bytes(), b"c")


def test_an_unknown_person_has_no_key(engine: Engine, vault: Vault) -> None:
    with reading(engine) as session, pytest.raises(NotFoundError) as caught:
        vault.seal(session, "per_nobody", b"x", b"c")
    assert caught.value.code == "person_unknown"


def test_the_wrong_master_key_opens_nothing(engine: Engine, vault: Vault) -> None:
    with reading(engine) as session:
        sealed = vault.seal(session, ALICE, b"x", b"c")
        with pytest.raises(UnavailableError) as caught:
            Vault(LocalMasterKey(bytes(32))).open(session, ALICE, sealed, b"c")
    assert caught.value.code == "master_key_mismatch"


def test_a_key_row_moved_to_another_person_does_not_open(engine: Engine, vault: Vault) -> None:
    with transaction(engine) as session:
        sealed = vault.seal(session, ALICE, b"a face", b"c")
        rows = {row.person_id: row for row in session.exec(select(PersonKeyRow))}
        rows[BOB].wrapped_key = rows[ALICE].wrapped_key
        session.add(rows[BOB])
    with reading(engine) as session, pytest.raises(UnavailableError):
        vault.open(session, BOB, sealed, b"c")


def test_nothing_secret_shows_in_reprs_and_errors(engine: Engine, vault: Vault) -> None:
    master = LocalMasterKey(KEY)
    with reading(engine) as session:
        row = session.get(PersonKeyRow, ALICE)
        assert row is not None
        assert row.wrapped_key is not None
        sealed = vault.seal(session, ALICE, b"a face", b"c")
        with pytest.raises(SealedDataError) as caught:
            vault.open(session, BOB, sealed, b"c")
        shown = repr(master) + repr(vault) + repr(row) + "".join(traceback.format_exception(caught.value))
        for secret in (KEY, row.wrapped_key, b"a face"):
            assert repr(secret)[2:-1] not in shown
            assert secret.hex() not in shown


def test_the_master_key_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    made = LocalMasterKey.create(tmp_path / "keys")
    path = tmp_path / "keys" / MASTER_KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert LocalMasterKey.load(tmp_path / "keys").unwrap(made.wrap(b"k", b"c"), b"c") == b"k"
    with pytest.raises(ConflictError):
        LocalMasterKey.create(tmp_path / "keys")


@pytest.mark.parametrize(
    ("change", "code"), [("absent", "missing"), ("exposed", "exposed"), ("short", "broken")]
)
def test_an_unusable_master_key_file_is_refused(tmp_path: Path, change: str, code: str) -> None:
    LocalMasterKey.create(tmp_path)
    path = tmp_path / MASTER_KEY_FILE
    match change:
        case "absent":
            path.unlink()
        case "exposed":
            path.chmod(0o644)
        case _:
            path.write_bytes(b"short")
    with pytest.raises(UnavailableError) as caught:
        LocalMasterKey.load(tmp_path)
    assert caught.value.code == f"master_key_{code}"


@given(st.binary(), st.binary(), st.data())
def test_any_altered_byte_is_noticed(plaintext: bytes, associated: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, plaintext, associated))
    assert unseal(KEY, bytes(sealed), associated) == plaintext
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        unseal(KEY, bytes(sealed), associated)


@given(st.binary(max_size=40))
def test_garbage_never_opens(garbage: bytes) -> None:
    with pytest.raises(UnreadableError):
        unseal(KEY, garbage, b"")


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_bound_parts_never_collide(one: list[bytes], other: list[bytes]) -> None:
    assert (bind(*one) == bind(*other)) == (one == other)
