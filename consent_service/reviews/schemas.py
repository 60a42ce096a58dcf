"""Wire shapes of cases."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from consent_service.reviews.domain import Case, CaseKind, CaseState


class CaseOut(BaseModel):
    """One case."""

    case_id: str = Field(examples=["cas_6q3k7m2n9p4r5s8t2v3w6x7y2z"])
    kind: CaseKind
    state: CaseState
    subject_id: str = Field(examples=["clp_6q3k7m2n9p4r5s8t2v3w6x7y2z"])
    opened_at: datetime
    reasons: list[str] = Field(examples=[["unknown_face"]])
    evidence: dict[str, Any]
    ruling: Literal["release", "uphold"] | None = None
    reason: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None

    @classmethod
    def of(cls, case: Case) -> Self:
        """Return the wire shape."""
        decision = case.decision
        return cls(
            case_id=case.case_id,
            kind=case.kind,
            state=case.state,
            subject_id=case.subject_id,
            opened_at=case.opened_at,
            reasons=list(case.reasons),
            evidence=dict(case.evidence),
            ruling=decision.ruling.value if decision else None,
            reason=decision.reason if decision else None,
            decided_by=decision.decided_by if decision else None,
            decided_at=decision.decided_at if decision else None,
        )


class CaseList(BaseModel):
    """Cases in order."""

    cases: list[CaseOut]


class DecisionIn(BaseModel):
    """A moderator's decision."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"ruling": "release", "reason": "the second face is a drawing on the wall"}]
        },
    )

    ruling: Literal["release", "uphold"] = Field(
        description="`release` sends a clip through the gate again, or enrols a cameo; `uphold` refuses it."
    )
    reason: str = Field(min_length=1, max_length=2000)
