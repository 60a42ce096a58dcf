"""Makes the engine, and with it the durability and locking rules every slice relies on.

In: a SQLAlchemy URL. Out: an `Engine` on which a committed transaction survives a power cut.

SQLite runs in WAL mode with `synchronous=FULL` (a commit is on disk before it is answered), enforces foreign
keys, overwrites deleted content, and takes the write lock at the first statement of a write transaction
(`BEGIN IMMEDIATE`), so that two writers queue instead of failing half-way.
Source: SQLite documentation, "PRAGMA synchronous", "WAL", "PRAGMA secure_delete"; SQLAlchemy, "pysqlite".
"""

from pathlib import Path
from typing import Final, Protocol

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


class _SqliteConnection(Protocol):
    """The two things asked of a DBAPI connection here."""

    isolation_level: str | None

    def execute(self, statement: str, /) -> object:
        """Run one statement."""
        ...


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
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        hide_parameters=True,  # an error must not carry what was being written
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def for_reading(engine: Engine) -> Engine:
    """Return the same engine for transactions that read one snapshot and write nothing."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READ_ONLY: True})
    # REPEATABLE READ is snapshot isolation on PostgreSQL.
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _configure_sqlite(connection: _SqliteConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


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
