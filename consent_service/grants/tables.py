"""Storage of grants and of their places in status lists; never used as domain.

A check is answered by one look at `ix_grants_check`. Every place of a status list is a row: a grant's, or a
decoy's, which only hides how many grants were withdrawn.
"""

from datetime import datetime

from sqlmodel import Field, Index, SQLModel, UniqueConstraint

from consent_service.db.types import UtcDateTime


class GrantRow(SQLModel, table=True):
    """One grant. `scope` holds the terms as JSON; `record` is the consent record, word for word."""

    __tablename__ = "grants"
    __table_args__ = (
        Index("ix_grants_check", "likeness_id", "relying_party_id"),
        UniqueConstraint("status_shard", "status_index"),
    )

    id: str = Field(primary_key=True, max_length=40)
    likeness_id: str = Field(max_length=40)
    person_id: str = Field(max_length=40, index=True)
    relying_party_id: str = Field(max_length=40, index=True)
    state: str = Field(max_length=16)
    scope: str
    description: str
    not_before: datetime = Field(sa_type=UtcDateTime)
    not_after: datetime = Field(sa_type=UtcDateTime)
    issued_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    status_shard: int
    status_index: int
    policy_version: str = Field(max_length=64)
    record_id: str = Field(max_length=40)
    record: str
    receipt_sha256: str = Field(max_length=64)


class StatusShardRow(SQLModel, table=True):
    """One status list.

    `changes` counts what alters the list, so that a cached one knows whether it still holds.
    """

    __tablename__ = "grant_status_shards"

    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    entries: int = 0
    changes: int = 0


class StatusEntryRow(SQLModel, table=True):
    """One taken place of a status list."""

    __tablename__ = "grant_status_entries"
    __table_args__ = (Index("ix_grant_status_entries_listed", "shard", "status", "index"),)

    shard: int = Field(primary_key=True)
    index: int = Field(primary_key=True)
    status: int = 0
