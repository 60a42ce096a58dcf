import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, event, insert, select
from sqlalchemy.exc import OperationalError, StatementError
from sqlmodel import Session

from consent_service.db.engine import create_database, scrub
from consent_service.db.session import after_commit, reading, transaction
from consent_service.db.types import UtcDateTime

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("name", String))
TIMES = Table("times", METADATA, Column("id", Integer, primary_key=True), Column("at", UtcDateTime))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_database(f"sqlite:///{tmp_path / 'deep' / 'test.db'}")
    METADATA.create_all(made)
    yield made
    made.dispose()


def names(session: Session) -> list[str]:
    return [row[0] for row in session.execute(select(THINGS.c.name).order_by(THINGS.c.id))]


def add(session: Session, name: str) -> None:
    session.execute(insert(THINGS).values(name=name))


def write_and_fail(engine: Engine, write: Callable[[Session], None]) -> None:
    with transaction(engine) as session:
        write(session)
        raise RuntimeError


def test_commits_are_durable_by_configuration(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError):
        write_and_fail(engine, lambda session: add(session, "a"))
    with reading(engine) as session:
        assert names(session) == []


def test_an_inner_transaction_joins_the_outer_one(engine: Engine) -> None:
    def join(outer: Session) -> None:
        with transaction(engine) as inner:
            assert inner is outer
            add(inner, "a")

    with pytest.raises(RuntimeError):
        write_and_fail(engine, join)
    with reading(engine) as session:
        assert names(session) == []


def test_a_failed_inner_transaction_is_undone_alone(engine: Engine) -> None:
    with transaction(engine) as outer:
        add(outer, "kept")
        with pytest.raises(RuntimeError):
            write_and_fail(engine, lambda inner: add(inner, "undone"))
        with reading(engine) as same:
            assert names(same) == ["kept"]
    with reading(engine) as session:
        assert names(session) == ["kept"]


def test_a_reader_keeps_its_snapshot_while_others_write(engine: Engine) -> None:
    with reading(engine) as before:
        assert names(before) == []

        def write() -> None:
            with transaction(engine) as session:
                add(session, "later")

        thread = Thread(target=write)
        thread.start()
        thread.join()
        assert names(before) == []
    with reading(engine) as after:
        assert names(after) == ["later"]


def test_writers_queue_instead_of_failing(engine: Engine) -> None:
    def work() -> None:
        for _ in range(5):
            with transaction(engine) as session:
                count = len(names(session))
                add(session, str(count))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert names(session) == [str(number) for number in range(20)]


def impatient(engine: Engine) -> None:
    """Make SQLite refuse at once where it would sleep and try again."""

    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=0")

    engine.dispose()
    event.listen(engine, "connect", hurry)


def test_writers_of_one_process_never_meet_a_locked_database(engine: Engine) -> None:
    impatient(engine)
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                with transaction(engine) as session:
                    add(session, "a")
        except OperationalError as error:
            failures.append(error)

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with reading(engine) as session:
        assert len(names(session)) == 60


def test_the_turn_to_write_is_given_up_however_a_transaction_ends(engine: Engine, tmp_path: Path) -> None:
    impatient(engine)
    other_process = sqlite3.connect(tmp_path / "deep" / "test.db", isolation_level=None)
    other_process.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"), transaction(engine) as session:
        add(session, "refused")
    other_process.execute("ROLLBACK")
    other_process.close()
    with pytest.raises(RuntimeError):
        write_and_fail(engine, lambda session: add(session, "rolled back"))
    with engine.connect() as connection:
        connection.begin()
        connection.invalidate()  # as when the file system failed
    with transaction(engine) as session:
        add(session, "kept")
    with reading(engine) as session:
        assert names(session) == ["kept"]


def test_connections_stay_open_for_as_many_threads_as_serve_at_once(engine: Engine) -> None:
    opened: list[object] = []
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _record: opened.append(connection))

    def read_at_once() -> None:
        with reading(engine) as session:
            assert names(session) == []
            together.wait()

    for _ in range(3):
        together = Barrier(16)
        threads = [Thread(target=read_at_once) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 16


def test_hints_run_after_the_outermost_commit_only(engine: Engine) -> None:
    seen: list[list[str]] = []

    def look() -> None:
        with reading(engine) as session:
            seen.append(names(session))

    with transaction(engine), transaction(engine) as inner:
        add(inner, "a")
        after_commit(inner, look)
    with pytest.raises(RuntimeError):
        write_and_fail(engine, lambda session: after_commit(session, look))
    assert seen == [["a"]]


def test_instants_come_back_in_utc(engine: Engine) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=5)))
    with transaction(engine) as session:
        session.execute(insert(TIMES).values(at=moment))
    with reading(engine) as session:
        value = session.execute(select(TIMES.c.at)).scalar_one()
    assert value == moment
    assert value.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="time zone"), transaction(engine) as session:
        session.execute(insert(TIMES).values(at=datetime(2026, 1, 2)))  # noqa: DTZ001  # the refusal is the test


def test_scrubbing_empties_the_write_ahead_log(engine: Engine, tmp_path: Path) -> None:
    with transaction(engine) as session:
        add(session, "a secret to forget")
    with transaction(engine) as session:
        session.execute(THINGS.delete())
    scrub(engine)
    left = b"".join(path.read_bytes() for path in (tmp_path / "deep").iterdir())
    assert b"a secret to forget" not in left
