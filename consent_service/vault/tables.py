"""Storage of wrapped person keys. An erased row stays, without its key, so that nothing re-creates it."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class PersonKeyRow(SQLModel, table=True):
    """One person's data key, wrapped by the master key; `wrapped_key` is null once erased."""

    __tablename__ = "person_keys"

    person_id: str = Field(primary_key=True, max_length=40)
    wrapped_key: bytes | None = Field(default=None, repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
