"""How clips lie in the database: storage, never domain.

`clips` holds one row per submission with the evidence of its steps; `clip_grants` and `clip_parents` answer
"which clips does this withdrawal reach"; `manifests` answers "whose mark is this"; `clip_withdrawals` makes
the handling of a revocation happen once.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime

_ID: Final = 40


def _instant(*, nullable: bool = False) -> Any:  # noqa: ANN401  SQLModel's Field returns Any
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


def _json() -> Any:  # noqa: ANN401  same
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


class ClipRow(SQLModel, table=True):
    """One submitted clip."""

    __tablename__ = "clips"

    clip_id: str = Field(primary_key=True, max_length=_ID)
    relying_party_id: str = Field(index=True, max_length=_ID)
    state: str = Field(index=True, max_length=20)
    round: int = 0
    declaration: dict[str, Any] = _json()
    source: dict[str, Any] = _json()
    watermark: bytes | None = Field(
        default=None, sa_column=Column(LargeBinary(8), unique=True, nullable=True)
    )
    checks: list[Any] | None = _json()
    scan: dict[str, Any] | None = _json()
    marks: dict[str, Any] | None = _json()
    output: dict[str, Any] | None = _json()
    reasons: list[Any] = _json()
    manifest_id: str | None = Field(default=None, max_length=200)
    published: dict[str, Any] | None = _json()
    log_index: int | None = None
    consent: str | None = Field(default=None, max_length=20)
    case_id: str | None = Field(default=None, unique=True, max_length=_ID)
    ruling: str | None = Field(default=None, max_length=20)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()
    published_at: datetime | None = _instant(nullable=True)


class ClipGrantRow(SQLModel, table=True):
    """One grant a clip rests on."""

    __tablename__ = "clip_grants"

    clip_id: str = Field(primary_key=True, foreign_key="clips.clip_id", max_length=_ID)
    grant_id: str = Field(primary_key=True, index=True, max_length=_ID)
    likeness_id: str = Field(max_length=_ID)


class ClipParentRow(SQLModel, table=True):
    """One published clip another was made from."""

    __tablename__ = "clip_parents"

    clip_id: str = Field(primary_key=True, foreign_key="clips.clip_id", max_length=_ID)
    parent_id: str = Field(primary_key=True, foreign_key="clips.clip_id", index=True, max_length=_ID)


class ManifestRow(SQLModel, table=True):
    """One signed manifest, found again by the mark in picture (8 bytes) or sound (its first 5)."""

    __tablename__ = "manifests"
    __table_args__ = (Index("ix_manifests_prefix", "prefix"),)

    manifest_id: str = Field(primary_key=True, max_length=200)
    clip_id: str = Field(unique=True, foreign_key="clips.clip_id", max_length=_ID)
    watermark: bytes = Field(sa_column=Column(LargeBinary(8), unique=True, nullable=False))
    prefix: bytes = Field(sa_column=Column(LargeBinary(5), nullable=False))
    key: str = Field(max_length=200)
    fingerprint: bytes | None = Field(default=None, sa_column=Column(LargeBinary(), nullable=True))
    created_at: datetime = _instant()


class WithdrawalRow(SQLModel, table=True):
    """One revoked grant whose clips were listed and whose notices were queued."""

    __tablename__ = "clip_withdrawals"

    grant_id: str = Field(primary_key=True, max_length=_ID)
    affected: int = 0
    handled_at: datetime = _instant()
