"""Storage of answered requests, by the key their sender chose. Answers rest encrypted: some carry secrets."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class IdempotencyRow(SQLModel, table=True):
    """One key of one principal: claimed while the request runs, then holding its answer."""

    __tablename__ = "idempotency_keys"

    principal_id: str = Field(primary_key=True, max_length=40)
    key: str = Field(primary_key=True, max_length=255)
    request_hash: str = Field(max_length=64)
    claim: str = Field(max_length=40)
    claimed_at: datetime = Field(sa_type=UtcDateTime, index=True)
    status: int | None = None
    sealed_answer: bytes | None = Field(default=None, repr=False)
