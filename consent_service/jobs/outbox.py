"""The outbox of job requests: the only SQL of jobs.

In: a job's name, id and JSON arguments, inside the caller's transaction. Out: requests in order, until a
runner has them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from consent_service.jobs.tables import JobRequestRow

Json = str | int | float | bool | None | Sequence["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One run of one workflow."""

    job_id: str
    name: str
    arguments: tuple[Json, ...]


def add(session: Session, request: JobRequest, now: datetime) -> None:
    """Ask for a job; asking twice with one id asks once."""
    if session.get(JobRequestRow, request.job_id) is None:
        arguments = json.dumps(request.arguments)
        session.add(
            JobRequestRow(job_id=request.job_id, name=request.name, arguments=arguments, requested_at=now)
        )
        session.flush()


def waiting(session: Session, names: Sequence[str], limit: int) -> tuple[JobRequest, ...]:
    """Return the oldest requests for workflows of these names."""
    rows = session.exec(
        select(JobRequestRow)
        .where(col(JobRequestRow.name).in_(names))
        .order_by(col(JobRequestRow.requested_at))
        .limit(limit)
    )
    return tuple(JobRequest(row.job_id, row.name, tuple(json.loads(row.arguments))) for row in rows)


def count(session: Session) -> int:
    """Return how many requests wait for a runner."""
    return session.exec(select(func.count()).select_from(JobRequestRow)).one()


def remove(session: Session, job_ids: Sequence[str]) -> None:
    """Forget requests that a runner has taken over."""
    session.execute(delete(JobRequestRow).where(col(JobRequestRow.job_id).in_(job_ids)))
