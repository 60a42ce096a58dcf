"""Group commit: writers that wait at the same time share one transaction, one lock and one flush to disk.

In: a function that writes with a session. Out: nothing, once what it wrote is committed. For small writes
that many callers make at once and that stand alone, such as the log entry of a denied check.
Source: Gray and Reuter, Transaction Processing, section 9.4 (group commit).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.db.session import in_transaction, transaction


@dataclass(slots=True, eq=False)
class _Write:
    action: Callable[[Session], object]
    done: bool = False
    error: Exception | None = None


class GroupCommit:
    """Commits together what is waiting. Whoever gets the turn first commits for all who wait behind it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = Lock()
        self._waiting: deque[_Write] = deque()

    def write(self, action: Callable[[Session], object]) -> None:
        """Run `action` in a transaction and return when it is committed.

        Inside another transaction on this engine it simply joins that one. An action that fails fails alone:
        the others of its group are then run again, each in a transaction of its own, so an action must have
        no effect but what it writes.

        Raises:
            Exception: Whatever the action or its commit raised; nothing of it was kept.
        """
        if in_transaction(self._engine):
            with transaction(self._engine) as session:
                action(session)
            return
        write = _Write(action)
        self._waiting.append(write)
        with self._turn:
            if not write.done:
                self._commit_waiting()
        if write.error is not None:
            raise write.error

    def _commit_waiting(self) -> None:
        # Only the holder of the turn takes writes away, and leaves none behind unfinished: a writer that gets
        # the turn finds its own write either done or still waiting.
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._commit(group)
        finally:
            self._waiting.extendleft(each for each in reversed(group) if not each.done)

    def _commit(self, group: list[_Write]) -> None:
        try:
            with transaction(self._engine) as session:
                for each in group:
                    each.action(session)
        except Exception as error:  # noqa: BLE001  # passed on to the callers, each its own
            if len(group) == 1:
                group[0].error = error
            else:
                for each in group:
                    self._commit([each])
        for each in group:
            each.done = True
