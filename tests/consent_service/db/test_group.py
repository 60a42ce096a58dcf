from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, event, insert, select
from sqlmodel import Session

from consent_service.db.engine import create_database
from consent_service.db.group import GroupCommit
from consent_service.db.session import reading, transaction

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("name", String))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_database(f"sqlite:///{tmp_path / 'test.db'}")
    METADATA.create_all(made)
    yield made
    made.dispose()


def adding(name: str) -> Callable[[Session], None]:
    def add(session: Session) -> None:
        session.execute(insert(THINGS).values(name=name))

    return add


def failing(session: Session) -> None:
    adding("never")(session)
    raise LookupError


def names(engine: Engine) -> set[str]:
    with reading(engine) as session:
        return {row.name for row in session.execute(select(THINGS))}


def write_together(group: GroupCommit, actions: list[Callable[[Session], None]]) -> list[Exception | None]:
    """Write `actions` from as many threads while a first write keeps the turn; return how each ended."""
    started, go_on = Event(), Event()
    ends: list[Exception | None] = [None] * len(actions)

    def first(session: Session) -> None:
        started.set()
        go_on.wait()
        adding("first")(session)

    def work(number: int, action: Callable[[Session], None]) -> None:
        try:
            group.write(action)
        except LookupError as error:
            ends[number] = error

    threads = [Thread(target=group.write, args=(first,))]
    threads += [Thread(target=work, args=item) for item in enumerate(actions)]
    threads[0].start()
    started.wait()
    for thread in threads[1:]:
        thread.start()
    while len(group._waiting) < len(actions):
        go_on.wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join()
    return ends


def test_a_write_is_committed_when_it_returns(engine: Engine) -> None:
    GroupCommit(engine).write(adding("a"))
    assert names(engine) == {"a"}


def test_writers_that_wait_share_one_commit(engine: Engine) -> None:
    commits: list[object] = []
    event.listen(engine, "commit", commits.append)
    ends = write_together(GroupCommit(engine), [adding(str(number)) for number in range(8)])
    assert ends == [None] * 8
    assert names(engine) == {"first", *map(str, range(8))}
    assert len(commits) == 2


def test_who_fails_fails_alone_and_keeps_nothing(engine: Engine) -> None:
    ends = write_together(GroupCommit(engine), [adding("a"), failing, adding("b"), failing])
    assert [type(end) for end in ends] == [type(None), LookupError, type(None), LookupError]
    assert names(engine) == {"first", "a", "b"}


def test_a_single_write_that_fails_says_why(engine: Engine) -> None:
    group = GroupCommit(engine)
    with pytest.raises(LookupError):
        group.write(failing)
    group.write(adding("next"))
    assert names(engine) == {"next"}


def test_what_waits_outlives_an_interrupted_commit(engine: Engine) -> None:
    def interrupted(session: Session) -> None:
        if not calls:
            calls.append(session)
            raise KeyboardInterrupt
        adding("after all")(session)

    calls: list[Session] = []
    group = GroupCommit(engine)
    with pytest.raises(KeyboardInterrupt):
        group.write(interrupted)
    group.write(adding("next"))
    assert "next" in names(engine)


def test_inside_a_transaction_a_write_joins_it(engine: Engine) -> None:
    def write_and_fail() -> None:
        with transaction(engine):
            GroupCommit(engine).write(adding("undone"))
            raise LookupError

    with pytest.raises(LookupError):
        write_and_fail()
    assert names(engine) == set()
