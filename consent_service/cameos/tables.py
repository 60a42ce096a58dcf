"""Storage of challenges, cameos and likenesses. Whatever describes a body is sealed under its owner's key."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class ChallengeRow(SQLModel, table=True):
    """A challenge that was set; it is used once or not at all."""

    __tablename__ = "challenges"

    id: str = Field(primary_key=True, max_length=40)
    person_id: str = Field(foreign_key="principals.id", index=True, max_length=40)
    digits: str = Field(max_length=12)
    turns: list[str] = Field(sa_type=JSON)
    issued_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_by: str | None = Field(default=None, unique=True, max_length=40)


class CameoRow(SQLModel, table=True):
    """A recording that came in and what became of it; the recording itself is gone once it was measured."""

    __tablename__ = "cameos"

    id: str = Field(primary_key=True, max_length=40)
    person_id: str = Field(foreign_key="principals.id", index=True, max_length=40)
    challenge_id: str = Field(foreign_key="challenges.id", unique=True, max_length=40)
    status: str = Field(max_length=20, index=True)
    reasons: list[str] = Field(default_factory=list, sa_type=JSON)
    evidence: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    sha256: str = Field(max_length=64, index=True)
    received_at: datetime = Field(sa_type=UtcDateTime)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    likeness_id: str | None = Field(default=None, max_length=40)
    sealed_signature: bytes | None = Field(default=None, repr=False)
    sealed_face: bytes | None = Field(default=None, repr=False)
    sealed_voice: bytes | None = Field(default=None, repr=False)


class LikenessRow(SQLModel, table=True):
    """An enrolled likeness; erased ones keep their identifier, so that it is never given out again."""

    __tablename__ = "likenesses"

    id: str = Field(primary_key=True, max_length=40)
    person_id: str = Field(foreign_key="principals.id", unique=True, max_length=40)
    enrolled_at: datetime = Field(sa_type=UtcDateTime)
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sealed_face: bytes | None = Field(default=None, repr=False)
    sealed_voice: bytes | None = Field(default=None, repr=False)
