"""Wire shapes of grants and checks; what they mean is decided in `terms` and `domain`.

In: JSON from outside, bounded in size. Out: JSON with times in UTC and codes from the documented lists.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Word = Annotated[str, Field(min_length=1, max_length=128)]
Words = Annotated[list[Word], Field(max_length=100)]
UseName = Literal["face", "voice"]
StandingName = Literal["valid", "not_yet_valid", "suspended", "revoked", "expired", "unknown"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewGrant(_Strict):
    """A consent, as the person gives it."""

    likeness_id: Word = Field(description="Your enrolled likeness.")
    relying_party_id: Word = Field(description="The platform that may use it.")
    requesters: Words = Field(description="Accounts on that platform, or `*` alone for everyone there.")
    uses: list[UseName] = Field(min_length=1, max_length=2)
    purposes: Words = Field(description="Words such as `entertainment`, `education`, `advertising`.")
    commercial: bool = Field(default=False, description="Whether it may promote or sell something.")
    regions: Words = Field(description="ISO 3166-1 alpha-2 codes, or `001` alone for the world.")
    description: str = Field(max_length=4000, description="The intended use, in plain words.")
    not_before: AwareDatetime | None = Field(default=None, description="Begin; now by default.")
    not_after: AwareDatetime = Field(description="End, ten years from now at the latest.")
    forbidden: Words = Field(default=[], description="Topics ruled out whatever the purpose.")
    remix: bool = Field(default=False, description="Whether clips may be made from clips.")
    max_seconds: int | None = Field(default=None, ge=1, le=86400, description="Longest clip.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "likeness_id": "lik_abcdefghijkmnpqrstuvwxyz23",
                    "relying_party_id": "rp_abcdefghijkmnpqrstuvwxyz23",
                    "requesters": ["*"],
                    "uses": ["face", "voice"],
                    "purposes": ["entertainment"],
                    "regions": ["001"],
                    "description": "Short comic scenes for friends, never for advertising.",
                    "not_after": "2027-11-01T00:00:00Z",
                }
            ]
        },
    )


class GrantView(BaseModel):
    """A grant as its two parties see it."""

    grant_id: str
    likeness_id: str
    relying_party_id: str
    state: Literal["active", "suspended", "revoked", "expired"]
    standing: StandingName
    requesters: list[str]
    uses: list[UseName]
    purposes: list[str]
    commercial: bool
    regions: list[str]
    description: str
    not_before: datetime
    not_after: datetime
    forbidden: list[str]
    remix: bool
    max_seconds: int | None
    issued_at: datetime
    revoked_at: datetime | None
    receipt_sha256: str = Field(description="Hash of the consent record.")
    policy_version: str = Field(description="Policies in force when the grant was given.")
    status_url: str = Field(description="Public address of the grant's standing.")
    token: str = Field(description="The grant as `likeness-grant+jwt`, to be verified offline.")


class GrantPage(BaseModel):
    """Some grants, in order of id."""

    grants: list[GrantView]
    next_after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class GrantStatus(BaseModel):
    """What a grant is worth now; all that the public may know of it."""

    standing: StandingName
    as_of: datetime


class CheckQuestion(_Strict):
    """May this be generated?"""

    likeness_id: Word
    requester_id: Word = Field(description="Your account for whom the clip would be made.")
    uses: list[UseName] = Field(min_length=1, max_length=2)
    purpose: Word
    commercial: bool = False
    region: str | None = Field(default=None, max_length=2, description="Where it will be shown.")
    categories: Words = Field(default=[], description="What the content contains besides its purpose.")
    seconds: int | None = Field(default=None, ge=1, lt=2**31, description="Length of the clip.")
    remix: bool = Field(default=False, description="The clip would be made from another clip.")
    at: AwareDatetime | None = Field(
        default=None, description="An instant in the future: would it be allowed then, as things stand?"
    )


class CheckAnswer(BaseModel):
    """The decision; only `allow` permits anything."""

    decision: Literal["allow", "deny", "indeterminate"]
    reasons: list[str] = Field(description="Codes, such as `granted`, `no_grant`, `grant_revoked`.")
    grant_id: str | None
    policy_version: str
    valid_until: datetime | None = Field(
        description="End of the consent, unless it is withdrawn before: ask again before each use."
    )
