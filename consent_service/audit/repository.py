"""The only SQL of the log: lock the head, keep a leaf with the subtrees it completes, read stored nodes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

from sqlalchemy import insert, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from consent_service.audit.domain import Node
from consent_service.audit.tables import LogEntryRow, LogHeadRow, LogNodeRow

_HEAD = 1


def size(session: Session) -> int:
    """Return how many leaves the session sees."""
    return session.exec(select(LogHeadRow.size).where(LogHeadRow.id == _HEAD)).one_or_none() or 0


def lock_size(session: Session) -> int:
    """Return the size and hold the head until the transaction ends, so that no index is given twice."""
    statement = select(LogHeadRow.size).where(LogHeadRow.id == _HEAD).with_for_update()
    found = session.exec(statement).one_or_none()
    if found is None:
        # The log's first append: whoever inserts the head second waits for the first, then finds it.
        with suppress(IntegrityError), session.begin_nested():
            session.execute(insert(LogHeadRow).values(id=_HEAD, size=0))
        found = session.exec(statement).one()
    return found


def add_leaf(session: Session, index: int, kind: str, leaf: bytes, at: datetime) -> None:
    """Keep a leaf and move the head past it."""
    session.execute(insert(LogEntryRow).values(index=index, kind=kind, leaf=leaf, recorded_at=at))
    session.execute(update(LogHeadRow).where(col(LogHeadRow.id) == _HEAD).values(size=index + 1))


def add_nodes(session: Session, hashes: Mapping[Node, bytes]) -> None:
    """Keep the hashes of complete subtrees."""
    rows = [{"level": node.level, "index": node.index, "hash": value} for node, value in hashes.items()]
    session.execute(insert(LogNodeRow), rows)


def leaf(session: Session, index: int) -> bytes | None:
    """Return the bytes of one leaf."""
    return session.exec(select(LogEntryRow.leaf).where(LogEntryRow.index == index)).one_or_none()


def leaves(session: Session, start: int, end: int) -> tuple[bytes, ...]:
    """Return the bytes of the leaves from `start` to before `end`."""
    statement = (
        select(LogEntryRow.leaf)
        .where(LogEntryRow.index >= start, LogEntryRow.index < end)
        .order_by(col(LogEntryRow.index))
    )
    return tuple(session.exec(statement))


def row_of_nodes(session: Session, level: int, start: int, end: int) -> tuple[bytes, ...]:
    """Return the stored hashes of one level from `start` to before `end`."""
    statement = (
        select(LogNodeRow.hash)
        .where(LogNodeRow.level == level, LogNodeRow.index >= start, LogNodeRow.index < end)
        .order_by(col(LogNodeRow.index))
    )
    return tuple(session.exec(statement))


def nodes(session: Session, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Return the stored hashes of these subtrees, in one query."""
    keys = {(node.level, node.index) for node in wanted}
    if not keys:
        return {}
    statement = select(LogNodeRow.level, LogNodeRow.index, LogNodeRow.hash).where(
        tuple_(col(LogNodeRow.level), col(LogNodeRow.index)).in_(keys)
    )
    return {Node(level, index): value for level, index, value in session.exec(statement)}
