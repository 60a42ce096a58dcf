"""A case and what a moderator may decide about it. Pure values.

In: what a slice below holds for review. Out: `Case`, open or decided. A release dismisses what the scan left
open; it never stands in for a consent, which is checked again on the way. A released cameo enrols its person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from consent_service.clips.domain import Ruling
from consent_service.kernel.errors import InvalidInputError
from consent_service.kernel.ids import CaseId

_SHORTEST_REASON: Final = 10
_LONGEST_REASON: Final = 2000


class CaseKind(StrEnum):
    """What a case is about."""

    CLIP = "clip"
    CAMEO = "cameo"


class CaseState(StrEnum):
    """Whether somebody has decided."""

    OPEN = "open"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class CaseDecision:
    """What a moderator decided, and why.

    Attributes:
        reason: In the moderator's words; kept with the case, not in the public log.
    """

    ruling: Ruling
    reason: str
    decided_by: str
    decided_at: datetime

    def __post_init__(self) -> None:
        """Refuse a decision without a real reason.

        Raises:
            InvalidInputError: Code `reason_missing`.
        """
        if not _SHORTEST_REASON <= len(self.reason.strip()) <= _LONGEST_REASON:
            raise InvalidInputError(
                "reason_missing",
                f"give a reason of {_SHORTEST_REASON} to {_LONGEST_REASON} characters",
            )


@dataclass(frozen=True, slots=True)
class Case:
    """One thing held for a moderator.

    Attributes:
        subject_id: The clip or cameo it is about.
        reasons: Codes that made it a case.
        evidence: What the checks and the scan found, as JSON values.
        decision: None while it is open.
    """

    case_id: CaseId
    kind: CaseKind
    subject_id: str
    opened_at: datetime
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    decision: CaseDecision | None = None

    @property
    def state(self) -> CaseState:
        """Whether somebody has decided."""
        return CaseState.OPEN if self.decision is None else CaseState.DECIDED
