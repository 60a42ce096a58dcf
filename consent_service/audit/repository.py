"""The only SQL of the log: lock the head, keep a leaf with the subtrees it completes, read stored nodes.

Statements are built once and run on plain columns: an append stands in the way of every denied check.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel

from consent_service.audit.domain import Node
from consent_service.audit.tables import LogEntryRow, LogHeadRow, LogNodeRow, node_number

_HEAD: Final = 1
_ENTRIES, _NODES, _HEADS = (
    SQLModel.metadata.tables[str(row.__tablename__)] for row in (LogEntryRow, LogNodeRow, LogHeadRow)
)
_SIZE: Final = _HEADS.select().with_only_columns(_HEADS.c.size).where(_HEADS.c.id == _HEAD)
_LOCK: Final = _SIZE.with_for_update()
_GROW: Final = _HEADS.update().where(_HEADS.c.id == _HEAD).values(size=bindparam("new_size"))
_LEAVES: Final = (
    _ENTRIES.select()
    .with_only_columns(_ENTRIES.c.leaf)
    .where(_ENTRIES.c.index >= bindparam("start"), _ENTRIES.c.index < bindparam("end"))
    .order_by(_ENTRIES.c.index)
)
_ROW_OF_NODES: Final = (
    _NODES.select()
    .with_only_columns(_NODES.c.hash)
    .where(_NODES.c.id >= bindparam("start"), _NODES.c.id < bindparam("end"))
    .order_by(_NODES.c.id)
)
_CHOSEN_NODES: Final = _NODES.select().where(_NODES.c.id.in_(bindparam("numbers", expanding=True)))


def size(session: Session) -> int:
    """Return how many leaves the session sees."""
    return int(session.connection().execute(_SIZE).scalar_one_or_none() or 0)


def lock_size(session: Session) -> int:
    """Return the size and hold the head until the transaction ends, so that no index is given twice."""
    connection = session.connection()
    found = connection.execute(_LOCK).scalar_one_or_none()
    if found is None:
        # The log's first append: whoever inserts the head second waits for the first, then finds it.
        with suppress(IntegrityError), connection.begin_nested():
            connection.execute(_HEADS.insert(), {"id": _HEAD, "size": 0})
        found = connection.execute(_LOCK).scalar_one()
    return int(found)


def add_leaf(session: Session, index: int, kind: str, leaf: bytes, at: datetime) -> None:
    """Keep a leaf and move the head past it."""
    connection = session.connection()
    row = {"index": index, "kind": kind, "leaf": leaf, "recorded_at": at}
    connection.execute(_ENTRIES.insert(), row)
    connection.execute(_GROW, {"new_size": index + 1})


def add_nodes(session: Session, hashes: Mapping[Node, bytes]) -> None:
    """Keep the hashes of complete subtrees."""
    rows = [{"id": node_number(node.level, node.index), "hash": value} for node, value in hashes.items()]
    session.connection().execute(_NODES.insert(), rows)


def leaf(session: Session, index: int) -> bytes | None:
    """Return the bytes of one leaf."""
    return next(iter(leaves(session, index, index + 1)), None)


def leaves(session: Session, start: int, end: int) -> tuple[bytes, ...]:
    """Return the bytes of the leaves from `start` to before `end`."""
    return tuple(session.connection().execute(_LEAVES, {"start": start, "end": end}).scalars())


def row_of_nodes(session: Session, level: int, start: int, end: int) -> tuple[bytes, ...]:
    """Return the stored hashes of one level from `start` to before `end`."""
    wanted = {"start": node_number(level, start), "end": node_number(level, end)}
    return tuple(session.connection().execute(_ROW_OF_NODES, wanted).scalars())


def nodes(session: Session, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Return the stored hashes of these subtrees, in one query."""
    numbered = {node_number(node.level, node.index): node for node in wanted}
    if not numbered:
        return {}
    found = session.connection().execute(_CHOSEN_NODES, {"numbers": list(numbered)})
    return {numbered[number]: value for number, value in found}
