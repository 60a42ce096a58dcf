import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlmodel import SQLModel, select

from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.jobs.tables import JobRequestRow
from consent_service.kernel.errors import ConflictError, InvalidInputError, UnavailableError
from consent_service.vault.keys import LocalMasterKey
from consent_service.web.idempotency import KEPT, LEASE, Answer, Idempotency
from consent_service.web.tables import IdempotencyRow


class SteppedClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Made(BaseModel):
    number: int
    secret: str = "whsec_do_not_store_me"


class Desk:
    """An endpoint that makes numbered things (rows of any table will do)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = SteppedClock()
        self.idempotency = Idempotency(engine, LocalMasterKey(bytes(32)), self.clock)

    def make(self) -> Made:
        with transaction(self.engine) as session:
            number = len(session.exec(select(JobRequestRow)).all())
            session.add(
                JobRequestRow(job_id=str(number), name="x", arguments="[]", requested_at=self.clock.now())
            )
        return Made(number=number)

    def ask(
        self,
        key: str | None,
        content: dict[str, object] | None = None,
        action: Callable[[], Made | Answer] | None = None,
        who: str | None = "per_a",
        path: str = "/v1/things",
    ) -> Response:
        headers = [] if key is None else [(b"idempotency-key", key.encode())]
        request = Request({"type": "http", "method": "POST", "path": path, "headers": headers})
        return self.idempotency.once(request, who, content or {}, action or self.make)

    def count(self) -> int:
        with reading(self.engine) as session:
            return len(session.exec(select(JobRequestRow)).all())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    engine = create_database(f"sqlite:///{tmp_path / 'web.db'}")
    tables = [SQLModel.metadata.tables[name] for name in ("idempotency_keys", "job_requests")]
    SQLModel.metadata.create_all(engine, tables=tables)
    yield Desk(engine)
    engine.dispose()


def test_a_repeated_request_acts_once_and_is_answered_the_same(desk: Desk) -> None:
    first, second = desk.ask("k", {"a": 1}), desk.ask("k", {"a": 1})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.body == second.body
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert desk.count() == 1


def test_without_a_key_every_request_acts(desk: Desk) -> None:
    desk.ask(None)
    desk.ask(None)
    desk.ask("k", who=None)
    desk.ask("k", who=None)
    assert desk.count() == 4


def test_a_key_is_good_for_one_request_only(desk: Desk) -> None:
    desk.ask("k", {"a": 1})
    for content, path in (({"a": 2}, "/v1/things"), ({"a": 1}, "/v1/others")):
        with pytest.raises(InvalidInputError) as caught:
            desk.ask("k", dict(content), path=path)
        assert caught.value.code == "idempotency_key_reused"
    assert desk.count() == 1


def test_two_callers_may_choose_the_same_key(desk: Desk) -> None:
    desk.ask("k", who="per_a")
    desk.ask("k", who="per_b")
    assert desk.count() == 2


def test_an_action_may_choose_status_and_headers(desk: Desk) -> None:
    def act() -> Answer:
        return Answer(desk.make(), 202, {"Location": "/v1/things/0"})

    for _ in range(2):
        answer = desk.ask("k", action=act)
        assert (answer.status_code, answer.headers["location"]) == (202, "/v1/things/0")
    assert desk.count() == 1


def test_a_failed_request_leaves_nothing_and_can_be_sent_again(desk: Desk) -> None:
    def fail() -> Made:
        desk.make()
        raise UnavailableError("signer_unavailable", "later")

    with pytest.raises(UnavailableError):
        desk.ask("k", action=fail)
    assert desk.count() == 0
    assert desk.ask("k").status_code == 201
    assert desk.count() == 1


def test_twins_at_the_same_time_act_once(desk: Desk) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        barrier.wait()
        try:
            outcomes.append(bytes(desk.ask("k").body).decode())
        except ConflictError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.count() == 1
    assert len({outcome for outcome in outcomes if outcome != "request_in_flight"}) == 1


def test_a_twin_of_a_running_request_is_turned_away(desk: Desk) -> None:
    def act() -> Made:
        with pytest.raises(ConflictError) as caught:
            in_another_thread(lambda: desk.ask("k"))
        assert caught.value.code == "request_in_flight"
        return desk.make()

    assert desk.ask("k", action=act).status_code == 201
    assert desk.count() == 1


def test_after_a_crash_the_claim_lapses_and_the_request_can_be_sent_again(desk: Desk) -> None:
    with transaction(desk.engine) as session:
        desk.idempotency._claim("per_a", "k", "0" * 64)
        row = session.exec(select(IdempotencyRow)).one()
        row.request_hash = request_hash_of(desk)
        session.add(row)
    with pytest.raises(ConflictError):
        desk.ask("k")
    desk.clock.time += LEASE
    assert desk.ask("k").status_code == 201
    assert desk.count() == 1


def test_a_request_that_lost_its_claim_commits_nothing(desk: Desk) -> None:
    def slow() -> Made:
        desk.clock.time += LEASE
        in_another_thread(lambda: desk.ask("k"))
        return desk.make()

    with pytest.raises(ConflictError):
        desk.ask("k", action=slow)
    assert desk.count() == 1
    assert desk.ask("k").headers["Idempotency-Replayed"] == "true"


def test_stored_answers_are_unreadable_at_rest(desk: Desk) -> None:
    desk.ask("k")
    with reading(desk.engine) as session:
        row = session.exec(select(IdempotencyRow)).one()
    assert row.sealed_answer is not None
    assert b"whsec_do_not_store_me" not in row.sealed_answer


def test_answers_are_forgotten_after_a_day(desk: Desk) -> None:
    desk.ask("k")
    assert desk.idempotency.prune() == 0
    desk.clock.time += KEPT + timedelta(seconds=1)
    desk.ask("k", {"other": True})
    assert desk.count() == 2
    desk.clock.time += KEPT + timedelta(seconds=1)
    assert desk.idempotency.prune() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\x7f"])
def test_an_unusable_key_is_refused(desk: Desk, key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        desk.ask(key)
    assert caught.value.code == "idempotency_key_invalid"


def in_another_thread(action: Callable[[], Response]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except ConflictError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def request_hash_of(desk: Desk) -> str:
    desk.ask("probe")
    with transaction(desk.engine) as session:
        row = session.exec(select(IdempotencyRow).where(IdempotencyRow.key == "probe")).one()
        for made in session.exec(select(JobRequestRow)):
            session.delete(made)
        return row.request_hash
