"""The wire shape of every error answer, for the error map and for the OpenAPI document.

Source: RFC 9457, sections 3.1 and 3.2 (extension members).
"""

from typing import Any, Final

from pydantic import BaseModel, Field

MEDIA_TYPE: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field; never its value."""

    field: str = Field(examples=["body.purpose"])
    problem: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """A problem document."""

    type: str = Field(examples=["urn:consent-service:problem:challenge_expired"])
    title: str = Field(examples=["conflict with the present state"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["the challenge has expired; ask for a new one"])
    code: str = Field(description="Stable name for machines.", examples=["challenge_expired"])
    instance: str = Field(description="Request id; name it when asking for help.")
    fields: list[FieldProblem] | None = Field(None, description="Present when fields did not validate.")


def responses() -> dict[int | str, dict[str, Any]]:
    """Return the error answers every route may give, for OpenAPI."""
    shape = {"schema": {"$ref": "#/components/schemas/Problem"}}
    described = {
        "4XX": "The request cannot be carried out as it is.",
        "5XX": "The service could not do it at the moment; nothing was half-done.",
    }
    return {
        status: {"description": text, "content": {MEDIA_TYPE: shape}} for status, text in described.items()
    }
