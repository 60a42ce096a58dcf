"""A cameo as others see it: no templates, no recording.

In: a row. Out: a frozen value for routes, moderators and tests.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from consent_service.cameos.domain import RecordingEvidence, Status
from consent_service.cameos.tables import CameoRow
from consent_service.kernel.ids import CameoId, CaseId, LikenessId, PersonId


@dataclass(frozen=True, slots=True)
class Cameo:
    """A recording that came in and what became of it.

    Attributes:
        id: Its identifier.
        person_id: Who sent it.
        status: Where it stands.
        reasons: Why it was not simply accepted.
        evidence: Figures the decision rests on; None until measured.
        received_at: When it came in.
        decided_at: When it was decided on.
        likeness_id: The likeness it enrolled or confirmed.
    """

    id: CameoId
    person_id: PersonId
    status: Status
    reasons: tuple[str, ...]
    evidence: dict[str, Any] | None
    received_at: datetime
    decided_at: datetime | None
    likeness_id: LikenessId | None

    @property
    def case_id(self) -> CaseId:
        """Name of the case this cameo makes when a moderator has to look at it; it makes one at most."""
        return CaseId("cas_" + self.id.partition("_")[2])

    @classmethod
    def of(cls, row: CameoRow) -> "Cameo":
        """Return a row as a value."""
        return cls(
            id=CameoId(row.id),
            person_id=PersonId(row.person_id),
            status=Status(row.status),
            reasons=tuple(row.reasons),
            evidence=row.evidence,
            received_at=row.received_at,
            decided_at=row.decided_at,
            likeness_id=LikenessId(row.likeness_id) if row.likeness_id else None,
        )


def evidence_json(evidence: RecordingEvidence) -> dict[str, Any]:
    """Return the figures as JSON values, rounded to what they are worth."""
    rounded: dict[str, Any] = _rounded(asdict(evidence))
    return rounded


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case tuple():
            return [_rounded(each) for each in value]
        case float():
            return round(value, 3)
        case _:
            return value
