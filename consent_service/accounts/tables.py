"""Storage of principals, API keys (digests only), webhook endpoints and the outbox of notices."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from consent_service.db.types import UtcDateTime


class PrincipalRow(SQLModel, table=True):
    """Anyone who may call: a person, a relying party, a moderator, an administrator."""

    __tablename__ = "principals"

    id: str = Field(primary_key=True, max_length=40)
    role: str = Field(max_length=20)
    name: str | None = Field(default=None, max_length=200, repr=False)
    created_by: str | None = Field(default=None, max_length=40)
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ApiKeyRow(SQLModel, table=True):
    """A key's digest and its life."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True, max_length=40)
    principal_id: str = Field(foreign_key="principals.id", index=True, max_length=40)
    digest: bytes = Field(repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WebhookEndpointRow(SQLModel, table=True):
    """Where a relying party wants its notices; the signing secret is wrapped by the master key."""

    __tablename__ = "webhook_endpoints"

    relying_party_id: str = Field(primary_key=True, foreign_key="principals.id", max_length=40)
    url: str = Field(max_length=2000)
    wrapped_secret: bytes = Field(repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    gone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WebhookEventRow(SQLModel, table=True):
    """One notice to one relying party: written with the fact it tells, delivered afterwards."""

    __tablename__ = "webhook_events"

    id: str = Field(primary_key=True, max_length=40)
    relying_party_id: str = Field(foreign_key="webhook_endpoints.relying_party_id", index=True, max_length=40)
    event_type: str = Field(max_length=60)
    body: bytes = Field(repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(default="pending", max_length=10)
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime, index=True)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_failure: str | None = Field(default=None, max_length=60)
