"""Storage of the log: its leaves, the hashes of complete subtrees, and the size: the next leaf's index."""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, Integer
from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime

_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")  # on SQLite only INTEGER keys are row ids
_LEVEL_SHIFT: Final = 57


def node_number(level: int, index: int) -> int:
    """Return the one number of a subtree: its level above, its index below (63 bits in all)."""
    return (level << _LEVEL_SHIFT) + index


class LogEntryRow(SQLModel, table=True):
    """One leaf, byte for byte as it was hashed."""

    __tablename__ = "log_entries"

    index: int = Field(sa_column=Column(_NUMBER, primary_key=True, autoincrement=False))
    kind: str = Field(max_length=40, index=True)
    leaf: bytes
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LogNodeRow(SQLModel, table=True):
    """The hash of one complete subtree; level 0 are the leaves' hashes. Written once, never changed.

    `id` is `node_number`: one integer, so that a handful of nodes is found by key on every database. (SQLite
    scans the whole table for pairs of columns in a list.)
    """

    __tablename__ = "log_nodes"

    id: int = Field(sa_column=Column(_NUMBER, primary_key=True, autoincrement=False))
    hash: bytes


class LogHeadRow(SQLModel, table=True):
    """The one row whose lock orders all appends."""

    __tablename__ = "log_head"

    id: int = Field(default=1, primary_key=True)
    size: int = Field(default=0, sa_type=BigInteger)
