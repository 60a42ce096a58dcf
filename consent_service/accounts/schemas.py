"""Wire shapes of accounts."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from consent_service.accounts.domain import Role
from consent_service.accounts.tables import ApiKeyRow


class CreatedPerson(BaseModel):
    """A new person; keep the key, it is not shown again."""

    person_id: str = Field(examples=["per_6q3k7m2n9p4r5s8t2v3w6x7y2z"])
    api_key: str = Field(description="Bearer token of this person; shown once.")


class Me(BaseModel):
    """The caller."""

    id: str
    role: Role


class KeyOut(BaseModel):
    """One API key, without its secret."""

    key_id: str
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, row: ApiKeyRow) -> "KeyOut":
        """Show a key."""
        return cls(key_id=row.id, created_at=row.created_at, last_used_at=row.last_used_at)


class KeyList(BaseModel):
    """The caller's live keys, oldest first."""

    keys: list[KeyOut]


class NewKey(BaseModel):
    """A fresh API key."""

    api_key: str = Field(description="Bearer token; shown once.")


class WebhookIn(BaseModel):
    """Where notices are to go."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, examples=["https://platform.example/hooks/consent"])


class WebhookSecret(BaseModel):
    """The secret notices are signed with; shown once."""

    webhook_secret: str = Field(description="`whsec_...`, as Standard Webhooks libraries take it.")
