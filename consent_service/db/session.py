"""Units of work: `transaction` commits everything or nothing, `reading` sees one consistent snapshot.

A `transaction` opened inside another one on the same engine joins it (as a savepoint): what several services
write in one use case is committed together, by the outermost block. SQL is sent lazily, so no lock is held
before the first statement.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.db.engine import for_reading

_current: ContextVar[tuple[Engine, Session] | None] = ContextVar("consent_transaction", default=None)
_AFTER: Final = "consent_after_commit"


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Yield a session; commit at the end, roll back on any exception.

    Inside another transaction on this engine the same session is yielded, guarded by a savepoint.
    """
    outer = _joined(engine)
    if outer is not None:
        with outer.begin_nested():
            yield outer
        return
    with Session(engine, expire_on_commit=False) as session:
        token = _current.set((engine, session))
        try:
            yield session
            session.commit()
        finally:
            _current.reset(token)
    for action in session.info.get(_AFTER, ()):
        action()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session on one snapshot that never takes the write lock; nothing written in it is kept.

    Inside a transaction on this engine that transaction's session is yielded, so that a use case sees its own
    writes.
    """
    outer = _joined(engine)
    if outer is not None:
        yield outer
        return
    with Session(for_reading(engine), expire_on_commit=False) as session:
        yield session


def in_transaction(engine: Engine) -> bool:
    """Tell whether the caller is inside a `transaction` on this engine."""
    return _joined(engine) is not None


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Run `action` once the outermost transaction of `session` has been committed; never after a rollback.

    For hints only (wake a worker): what must happen is written as a row in the transaction itself.
    """
    session.info.setdefault(_AFTER, []).append(action)


def _joined(engine: Engine) -> Session | None:
    current = _current.get()
    return current[1] if current is not None and current[0] is engine else None
