"""Makes the engine, and with it the durability and locking rules every slice relies on.

In: a SQLAlchemy URL. Out: an `Engine` on which a committed transaction survives a power cut.

SQLite runs in WAL mode with `synchronous=FULL` (a commit is on disk before it is answered), enforces foreign
keys, overwrites deleted content, and takes the write lock at the first statement of a write transaction
(`BEGIN IMMEDIATE`), so that two writers queue instead of failing half-way. Writers of one process queue on a
lock of their own: SQLite would let each sleep and try again, up to a tenth of a second too long.
Source: SQLite documentation, "PRAGMA synchronous", "WAL", "PRAGMA secure_delete", "sqlite3_busy_timeout";
SQLAlchemy, "pysqlite".
"""

import sqlite3
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final, cast

from sqlalchemy import Connection, Engine, create_engine, event, make_url

READ_ONLY: Final = "consent_read_only"
"""Execution option that marks a connection as reading; SQLite then takes no write lock."""

BUSY_SECONDS: Final = 30
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
)


_KEPT_OPEN: Final = 32
"""Connections that stay open when idle: opening one costs more than a check, most of it for the pragmas."""


class _SqliteConnection(sqlite3.Connection):
    """A connection that waits for its turn to write, and gives it up with the end of the transaction."""

    turn: "Lock | None" = None
    """What the writers of one engine queue on."""
    _has_turn = False

    def wait_for_turn(self) -> None:
        """Wait until no other connection of this engine writes; for too long, and SQLite has to decide."""
        if self.turn is not None and not self._has_turn:
            self._has_turn = self.turn.acquire(timeout=BUSY_SECONDS)

    def end_turn(self) -> None:
        """Let the next writer in."""
        if self.turn is not None and self._has_turn:
            self._has_turn = False
            self.turn.release()

    def commit(self) -> None:
        super().commit()
        self.end_turn()

    def rollback(self) -> None:
        super().rollback()
        self.end_turn()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.end_turn()


def create_database(url: str) -> Engine:
    """Return an engine for this URL; for SQLite the parent folder is made when absent.

    Args:
        url: SQLAlchemy URL, for example `sqlite:///var/consent.db` or `postgresql+psycopg://...`.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS, "factory": _SqliteConnection},
        hide_parameters=True,  # an error must not carry what was being written
        pool_size=_KEPT_OPEN,
        max_overflow=_KEPT_OPEN,
        pool_use_lifo=True,  # a few warm connections serve a quiet time
    )
    turn = Lock()

    def connected(connection: _SqliteConnection, _record: object) -> None:
        connection.turn = turn
        _configure_sqlite(connection)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@lru_cache(maxsize=8)  # making one costs as much as a query
def for_reading(engine: Engine) -> Engine:
    """Return the same engine for transactions that read one snapshot and write nothing."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READ_ONLY: True})
    # REPEATABLE READ is snapshot isolation on PostgreSQL.
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _configure_sqlite(connection: _SqliteConnection) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY, False):
        connection.exec_driver_sql("BEGIN")
        return
    driver = cast("_SqliteConnection", connection.connection.dbapi_connection)
    driver.wait_for_turn()
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        driver.end_turn()
        raise


def scrub(engine: Engine) -> None:
    """Fold the write-ahead log into the database and empty it, so that erased bytes leave the disk's files.

    Gives up after a second when readers are in the way; the next call finishes it. A no-op on PostgreSQL,
    where `VACUUM` and the archive's retention do this.
    """
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA busy_timeout=1000")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    finally:
        raw.close()
