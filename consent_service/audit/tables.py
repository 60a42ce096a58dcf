"""Storage of the log: its leaves, the hashes of complete subtrees, and the size: the next leaf's index."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class LogEntryRow(SQLModel, table=True):
    """One leaf, byte for byte as it was hashed."""

    __tablename__ = "log_entries"

    index: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(max_length=40, index=True)
    leaf: bytes
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LogNodeRow(SQLModel, table=True):
    """The hash of one complete subtree; level 0 are the leaves' hashes. Written once, never changed."""

    __tablename__ = "log_nodes"

    level: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    index: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    hash: bytes


class LogHeadRow(SQLModel, table=True):
    """The one row whose lock orders all appends."""

    __tablename__ = "log_head"

    id: int = Field(default=1, primary_key=True)
    size: int = Field(default=0, sa_type=BigInteger)
