"""Wire shapes of accounts."""

from pydantic import BaseModel, Field

from consent_service.accounts.domain import Role


class CreatedPerson(BaseModel):
    """A new person; keep the key, it is not shown again."""

    person_id: str = Field(examples=["per_6q3k7m2n9p4r5s8t2v3w6x7y2z"])
    api_key: str = Field(description="Bearer token of this person; shown once.")


class Me(BaseModel):
    """The caller."""

    id: str
    role: Role


class NewKey(BaseModel):
    """A fresh API key; every earlier one has ended."""

    api_key: str = Field(description="Bearer token; shown once.")
