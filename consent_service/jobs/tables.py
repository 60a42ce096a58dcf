"""Storage of job requests: committed with the fact that needs the job, handed to the runner afterwards."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class JobRequestRow(SQLModel, table=True):
    """A job somebody asked for and no runner has taken over yet."""

    __tablename__ = "job_requests"

    job_id: str = Field(primary_key=True, max_length=100)
    name: str = Field(max_length=60)
    arguments: str = Field(description="JSON list.")
    requested_at: datetime = Field(sa_type=UtcDateTime, index=True)
