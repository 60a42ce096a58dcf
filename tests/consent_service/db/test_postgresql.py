"""The floors on a real PostgreSQL: run when CONSENT_TEST_POSTGRESQL names a server with rights to create.

For example `CONSENT_TEST_POSTGRESQL=postgresql+psycopg://postgres@127.0.0.1:5432/postgres`.
"""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import InternalError
from sqlmodel import SQLModel, select

import consent_service.main.app  # noqa: F401  # loads the tables of every slice
from consent_service.audit.checkpoint import verify
from consent_service.audit.domain import verify_inclusion
from consent_service.audit.service import AuditLog
from consent_service.db.engine import create_database
from consent_service.db.migrate import upgrade
from consent_service.db.session import reading, transaction
from consent_service.jobs.runtime import JobRuntime
from consent_service.jobs.tables import JobRequestRow
from consent_service.kernel.clock import SystemClock
from consent_service.kernel.errors import ConflictError
from consent_service.settings import Settings
from consent_service.vault.keys import LocalMasterKey
from consent_service.web.idempotency import Idempotency

SERVER = os.environ.get("CONSENT_TEST_POSTGRESQL")
pytestmark = pytest.mark.skipif(SERVER is None, reason="CONSENT_TEST_POSTGRESQL names no server")
APPENDER = Path(__file__).parents[1] / "audit" / "append_many.py"


@pytest.fixture
def engine() -> Iterator[Engine]:
    name = f"consent_test_{secrets.token_hex(6)}"
    server = create_engine(str(SERVER), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    made = create_database(make_url(str(SERVER)).set(database=name).render_as_string(hide_password=False))
    upgrade(made)
    yield made
    made.dispose()
    with server.connect() as connection:
        for used in (name, f"{name}_jobs"):
            connection.execute(text(f"DROP DATABASE IF EXISTS {used}"))
    server.dispose()


def request(name: str) -> JobRequestRow:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=5)))
    return JobRequestRow(job_id=name, name="x", arguments="[]", requested_at=at)


def names(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.exec(select(JobRequestRow.job_id).order_by("job_id")))


def together(count: int, action: Callable[[], None]) -> None:
    threads = [threading.Thread(target=action) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_revisions_make_exactly_the_tables_of_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_instants_come_back_in_utc(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(request("a"))
    with reading(engine) as session:
        at = session.exec(select(JobRequestRow.requested_at)).one()
    assert at == datetime(2026, 1, 1, 22, 4, 5, 6, tzinfo=UTC)
    assert at.tzinfo is UTC


def test_transactions_join_and_roll_back_together(engine: Engine) -> None:
    def fail() -> None:
        with transaction(engine) as outer:
            outer.add(request("outer"))
            with transaction(engine) as inner:
                inner.add(request("inner"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(engine) == []


def test_a_reader_keeps_its_snapshot_and_cannot_write(engine: Engine) -> None:
    with reading(engine) as session:
        assert session.exec(select(JobRequestRow)).all() == []
        together(1, lambda: write(engine, "later"))
        assert session.exec(select(JobRequestRow)).all() == []
        session.add(request("forbidden"))
        with pytest.raises(InternalError, match="read-only"):
            session.flush()
        session.rollback()
    assert names(engine) == ["later"]


def write(engine: Engine, name: str) -> None:
    with transaction(engine) as session:
        session.add(request(name))


def test_concurrent_processes_leave_no_gap_in_the_log(engine: Engine) -> None:
    log = AuditLog(Ed25519PrivateKey.from_private_bytes(bytes(32)), "consent.example/log", SystemClock())
    url = engine.url.render_as_string(hide_password=False)
    workers = [subprocess.Popen([sys.executable, str(APPENDER), url, "10"]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    with reading(engine) as session:
        checkpoint = verify(log.checkpoint(session), log.verifier)
        assert checkpoint is not None
        assert checkpoint.size == 30
        for index in (0, 15, 29):
            leaf, path = log.entry(session, index), log.inclusion(session, index, 30)
            assert verify_inclusion(leaf, index, 30, path, checkpoint.root)


class Made(BaseModel):
    number: int = 1


def test_twins_at_the_same_time_act_once(engine: Engine) -> None:
    idempotency = Idempotency(engine, LocalMasterKey(bytes(32)), SystemClock())
    outcomes: list[str] = []

    def act() -> Made:
        write(engine, f"made {secrets.token_hex(8)}")
        return Made()

    def send() -> None:
        asked = Request(
            {"type": "http", "method": "POST", "path": "/v1/x", "headers": [(b"idempotency-key", b"k")]}
        )
        try:
            outcomes.append(str(idempotency.once(asked, "per_a", {}, act).status_code))
        except ConflictError as error:
            outcomes.append(error.code)

    together(6, send)
    assert len(names(engine)) == 1
    assert set(outcomes) <= {"201", "request_in_flight"}


def test_jobs_run_on_the_same_server(engine: Engine, tmp_path: Path) -> None:
    url = engine.url.render_as_string(hide_password=False)
    runtime = JobRuntime(Settings(data_dir=tmp_path, database_url=url), engine)
    done: list[str] = []
    runtime.workflow("greet")(lambda name: runtime.step("note", done.append, name))
    runtime.launch()
    try:
        runtime.enqueue("greet", "job-1", "you")
        assert runtime.wait("job-1") == "SUCCESS"
    finally:
        runtime.shutdown()
    assert done == ["you"]
