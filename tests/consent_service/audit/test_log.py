import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func
from sqlmodel import SQLModel, select

from consent_service.audit.checkpoint import Checkpoint, verify
from consent_service.audit.domain import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from consent_service.audit.keys import AUDIT_KEY_FILE, create_signing_key, load_signing_key
from consent_service.audit.service import AuditLog
from consent_service.audit.tables import LogEntryRow, LogHeadRow, node_number
from consent_service.audit.tiles import Tile, parse_tile, tile_path
from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import SystemClock
from consent_service.kernel.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from consent_service.vault.keys import LocalMasterKey

TABLES = ("log_entries", "log_nodes", "log_head")


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_engine(path: Path) -> Engine:
    made = create_database(f"sqlite:///{path}")
    SQLModel.metadata.create_all(made, tables=[SQLModel.metadata.tables[name] for name in TABLES])
    return made


def make_log() -> AuditLog:
    return AuditLog(Ed25519PrivateKey.from_private_bytes(bytes(32)), "consent.example/log", FixedClock())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = make_engine(tmp_path / "log.db")
    yield made
    made.dispose()


@pytest.fixture
def log() -> AuditLog:
    return make_log()


def current(log: AuditLog, engine: Engine) -> Checkpoint:
    with reading(engine) as session:
        checkpoint = verify(log.checkpoint(session), log.verifier)
    assert checkpoint is not None
    return checkpoint


def test_an_empty_log_has_a_checkpoint(engine: Engine, log: AuditLog) -> None:
    assert current(log, engine) == Checkpoint("consent.example/log", 0, EMPTY_ROOT)


def test_a_leaf_is_canonical_and_has_no_room_for_more(engine: Engine, log: AuditLog) -> None:
    with transaction(engine) as session:
        index = log.append(session, "grant.issued", commitments={"person": "ab"}, facts={"n": 1, "b": True})
        leaf = log.entry(session, index)
    assert leaf == (
        b'{"at":"2026-01-02T03:04:05.000000+00:00","commitments":{"person":"ab"},"facts":{"b":true,"n":1},'
        b'"kind":"grant.issued","v":1}'
    )
    assert json.loads(leaf)["kind"] == "grant.issued"


def test_a_kind_nobody_knows_is_refused(engine: Engine, log: AuditLog) -> None:
    with transaction(engine) as session, pytest.raises(ValueError, match="grant\\.lost"):
        log.append(session, "grant.lost")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), max_size=8))
def test_the_log_keeps_its_prefix_and_proves_every_leaf(
    engine: Engine, log: AuditLog, batches: list[int]
) -> None:
    before = current(log, engine)
    for count in batches:
        with transaction(engine) as session:
            for number in range(count):
                log.append(session, "check.denied", facts={"n": number})
    after = current(log, engine)
    assert after.size == before.size + sum(batches)
    with reading(engine) as session:
        proof = log.consistency(session, before.size, after.size)
        assert verify_consistency(before.size, after.size, before.root, after.root, proof)
        for index in range(before.size, after.size):
            leaf, path = log.entry(session, index), log.inclusion(session, index, after.size)
            assert verify_inclusion(leaf, index, after.size, path, after.root)
            assert not verify_inclusion(leaf + b" ", index, after.size, path, after.root)


def test_a_rollback_leaves_no_gap(engine: Engine, log: AuditLog) -> None:
    def fail() -> None:
        with transaction(engine) as session:
            log.append(session, "grant.issued")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with transaction(engine) as session:
        assert log.append(session, "grant.issued") == 0


def test_concurrent_processes_leave_no_gap(engine: Engine, log: AuditLog, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(Path(__file__).with_name("append_many.py")),
        f"sqlite:///{tmp_path / 'log.db'}",
        "12",
    ]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    checkpoint = current(log, engine)
    assert checkpoint.size == 36
    with reading(engine) as session:
        assert list(session.exec(select(LogEntryRow.index).order_by("index"))) == list(range(36))
        assert session.exec(select(func.count()).select_from(LogHeadRow)).one() == 1
        for index in (0, 17, 35):
            path = log.inclusion(session, index, 36)
            assert verify_inclusion(log.entry(session, index), index, 36, path, checkpoint.root)


def test_what_is_not_in_the_log_cannot_be_proved(engine: Engine, log: AuditLog) -> None:
    with transaction(engine) as session:
        log.append(session, "grant.issued")
        with pytest.raises(NotFoundError):
            log.entry(session, 1)
        with pytest.raises(NotFoundError):
            log.inclusion(session, 0, 2)
        with pytest.raises(NotFoundError):
            log.consistency(session, 0, 2)
        with pytest.raises(InvalidInputError):
            log.inclusion(session, 1, 1)
        with pytest.raises(InvalidInputError):
            log.consistency(session, 1, 0)


def test_the_signing_key_rests_wrapped_and_is_never_replaced(tmp_path: Path) -> None:
    master = LocalMasterKey.create(tmp_path)
    key = create_signing_key(tmp_path, master)
    raw = key.private_bytes_raw()
    assert raw not in (tmp_path / AUDIT_KEY_FILE).read_bytes()
    assert load_signing_key(tmp_path, master).private_bytes_raw() == raw
    with pytest.raises(ConflictError):
        create_signing_key(tmp_path, master)
    with pytest.raises(UnavailableError):
        load_signing_key(tmp_path, LocalMasterKey(bytes(32)))
    (tmp_path / AUDIT_KEY_FILE).unlink()
    with pytest.raises(UnavailableError):
        load_signing_key(tmp_path, master)


def test_nothing_secret_shows() -> None:
    assert repr(AuditLog(Ed25519PrivateKey.generate(), "o", SystemClock())) == "AuditLog('o')"


def test_tiles_rebuild_the_tree(engine: Engine, log: AuditLog) -> None:
    with transaction(engine) as session:
        for number in range(260):
            log.append(session, "check.denied", facts={"n": number})
    root = current(log, engine).root
    with reading(engine) as session:
        full, part = log.hash_tile(session, 0, "000"), log.hash_tile(session, 0, "001.p/4")
        above = log.hash_tile(session, 1, "000.p/1")
        leaves = [log.entry(session, index) for index in (0, 259)]
        bundle = log.entry_tile(session, "001.p/4")
    assert (len(full), len(part), len(above)) == (256 * 32, 4 * 32, 32)
    assert full[:32] == leaf_hash(leaves[0])
    assert bundle.endswith(len(leaves[1]).to_bytes(2, "big") + leaves[1])
    assert fold(full) == above
    assert node_hash(above, fold(part)) == root


def fold(tile: bytes) -> bytes:
    hashes = [tile[place : place + 32] for place in range(0, len(tile), 32)]
    while len(hashes) > 1:
        hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


@pytest.mark.parametrize(
    ("level", "path"),
    [
        (0, "000"),
        (0, "000.p/4"),
        (0, "0"),
        (0, "x000/000"),
        (0, "000.p/256"),
        (0, "000.p/999"),
        (8, "000.p/1"),
        (-1, "000.p/1"),
        (0, "../1"),
    ],
)
def test_a_tile_that_cannot_be_is_not_found(engine: Engine, log: AuditLog, level: int, path: str) -> None:
    with transaction(engine) as session:
        for _ in range(3):
            log.append(session, "check.denied")
        assert len(log.hash_tile(session, 0, "000.p/3")) == 96
        with pytest.raises(NotFoundError):
            log.hash_tile(session, level, path)
        with pytest.raises(NotFoundError):
            log.entry_tile(session, path if level == 0 else "nothing")


@given(st.integers(0, 10**12), st.integers(1, 255))
def test_a_tile_has_one_path(index: int, width: int) -> None:
    assert parse_tile(tile_path(index)) == Tile(index)
    assert parse_tile(f"{tile_path(index)}.p/{width}") == Tile(index, width)


def test_nodes_are_found_by_key_however_long_the_log(engine: Engine) -> None:
    plan = "EXPLAIN QUERY PLAN SELECT hash FROM log_nodes WHERE id IN (1, 2, 3)"
    with engine.connect() as connection:
        steps = [row[-1] for row in connection.exec_driver_sql(plan)]
    assert steps[0] == "SEARCH log_nodes USING INTEGER PRIMARY KEY (rowid=?)"


@given(st.integers(0, 63), st.integers(0, 2**57 - 1), st.integers(0, 63), st.integers(0, 2**57 - 1))
def test_a_node_has_one_number(level: int, index: int, other_level: int, other: int) -> None:
    assert 0 <= node_number(level, index) < 2**63
    same = (level, index) == (other_level, other)
    assert (node_number(level, index) == node_number(other_level, other)) == same
