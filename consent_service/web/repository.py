"""The only SQL of idempotency: claim a key, complete it, let it go, forget old ones."""

from datetime import datetime

from sqlalchemy import CursorResult, delete, update
from sqlmodel import Session, col, select

from consent_service.web.tables import IdempotencyRow


def find(session: Session, principal_id: str, key: str) -> IdempotencyRow | None:
    """Return the row of a key, locked for this transaction."""
    statement = (
        select(IdempotencyRow)
        .where(IdempotencyRow.principal_id == principal_id, IdempotencyRow.key == key)
        .with_for_update()
    )
    return session.exec(statement).one_or_none()


def complete(session: Session, claim: str, status: int, sealed_answer: bytes) -> bool:
    """Keep the answer if the claim still stands; tell whether it did."""
    statement = (
        update(IdempotencyRow)
        .where(col(IdempotencyRow.claim) == claim, col(IdempotencyRow.status).is_(None))
        .values(status=status, sealed_answer=sealed_answer)
    )
    return _count(session.execute(statement)) == 1


def release(session: Session, claim: str) -> None:
    """Let go of a claim whose request failed, so that it can be sent again."""
    session.execute(
        delete(IdempotencyRow).where(col(IdempotencyRow.claim) == claim, col(IdempotencyRow.status).is_(None))
    )


def forget_before(session: Session, moment: datetime) -> int:
    """Delete the rows claimed before a moment; return how many."""
    return _count(session.execute(delete(IdempotencyRow).where(col(IdempotencyRow.claimed_at) < moment)))


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
