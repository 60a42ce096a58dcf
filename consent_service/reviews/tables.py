"""How decided cases lie in the database. An open case is the held thing itself; only decisions are stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class CaseDecisionRow(SQLModel, table=True):
    """One decided case, with the evidence the moderator had before them."""

    __tablename__ = "case_decisions"

    case_id: str = Field(primary_key=True, max_length=40)
    kind: str = Field(max_length=20)
    subject_id: str = Field(index=True, max_length=40)
    opened_at: datetime = Field(sa_type=UtcDateTime)
    reasons: list[Any] = Field(sa_column=Column(JSON, nullable=False))
    evidence: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    ruling: str = Field(max_length=20)
    reason: str = Field(max_length=2000)
    decided_by: str = Field(max_length=40)
    decided_at: datetime = Field(sa_type=UtcDateTime, index=True)
