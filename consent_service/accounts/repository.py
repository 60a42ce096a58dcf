"""The only SQL of accounts: principals, keys, endpoints, and the outbox with its claims."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, update
from sqlmodel import Session, col, select

from consent_service.accounts.tables import ApiKeyRow, PrincipalRow, WebhookEndpointRow, WebhookEventRow

_HOLDER: Final = (
    # Plain columns: this runs before every request, and rows as objects cost it twice as much.
    select(col(ApiKeyRow.digest), col(ApiKeyRow.last_used_at), col(PrincipalRow.id), col(PrincipalRow.role))
    .join(PrincipalRow, col(PrincipalRow.id) == col(ApiKeyRow.principal_id))
    .where(
        col(ApiKeyRow.id) == bindparam("key_id"),
        col(ApiKeyRow.revoked_at).is_(None),
        col(PrincipalRow.disabled_at).is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key it is, and what it is compared with."""

    digest: bytes = field(repr=False)
    last_used_at: datetime | None
    principal_id: str
    role: str


def holder_of_key(session: Session, key_id: str) -> Holder | None:
    """Return the enabled principal of a live key."""
    found = session.connection().execute(_HOLDER, {"key_id": key_id}).one_or_none()
    return None if found is None else Holder(*found)


def touch_key(session: Session, key_id: str, now: datetime) -> None:
    """Note when a key was last used."""
    session.execute(update(ApiKeyRow).where(col(ApiKeyRow.id) == key_id).values(last_used_at=now))


def revoke_keys(session: Session, principal_id: str, now: datetime) -> None:
    """End every live key of a principal."""
    live = col(ApiKeyRow.principal_id) == principal_id, col(ApiKeyRow.revoked_at).is_(None)
    session.execute(update(ApiKeyRow).where(*live).values(revoked_at=now))


def live_keys(session: Session, principal_id: str) -> Sequence[ApiKeyRow]:
    """Return the live keys of a principal, oldest first."""
    statement = (
        select(ApiKeyRow)
        .where(ApiKeyRow.principal_id == principal_id, col(ApiKeyRow.revoked_at).is_(None))
        .order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
    )
    return session.exec(statement).all()


def live_endpoints(session: Session, relying_party_id: str | None) -> Sequence[WebhookEndpointRow]:
    """Return the endpoints to notify: one relying party's, or everyone's."""
    statement = select(WebhookEndpointRow).where(col(WebhookEndpointRow.gone_at).is_(None))
    if relying_party_id is not None:
        statement = statement.where(WebhookEndpointRow.relying_party_id == relying_party_id)
    return session.exec(statement).all()


def claim_due(
    session: Session, now: datetime, lease: timedelta, limit: int
) -> Sequence[tuple[WebhookEventRow, WebhookEndpointRow]]:
    """Return due events and put them off by `lease`, so that no other process sends them meanwhile."""
    statement = (
        select(WebhookEventRow, WebhookEndpointRow)
        .join(
            WebhookEndpointRow,
            col(WebhookEndpointRow.relying_party_id) == col(WebhookEventRow.relying_party_id),
        )
        .where(WebhookEventRow.state == "pending", col(WebhookEventRow.due_at) <= now)
        .order_by(col(WebhookEventRow.due_at))
        .limit(limit)
        .with_for_update(skip_locked=True, of=WebhookEventRow)
    )
    found = session.exec(statement).all()
    for event, _ in found:
        event.due_at = now + lease
        session.add(event)
    session.flush()
    return found


def count_events(session: Session) -> dict[str, int]:
    """Return how many notices are in each state."""
    counted = select(WebhookEventRow.state, func.count()).group_by(WebhookEventRow.state)
    return dict(session.exec(counted).all())


def anything_due(session: Session, now: datetime) -> bool:
    """Tell whether a claim would find something, without taking the write lock."""
    statement = select(WebhookEventRow.id).where(
        WebhookEventRow.state == "pending", col(WebhookEventRow.due_at) <= now
    )
    return session.exec(statement.limit(1)).first() is not None
