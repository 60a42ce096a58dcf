"""The only SQL of reviews: decided cases, in and out as domain values."""

from sqlmodel import Session, col, select

from consent_service.clips.domain import Ruling
from consent_service.kernel.ids import CaseId
from consent_service.reviews.domain import Case, CaseDecision, CaseKind
from consent_service.reviews.tables import CaseDecisionRow


def add(session: Session, case: Case, decision: CaseDecision) -> None:
    """Store a decision; a case is decided once."""
    session.add(
        CaseDecisionRow(
            case_id=case.case_id,
            kind=str(case.kind),
            subject_id=case.subject_id,
            opened_at=case.opened_at,
            reasons=list(case.reasons),
            evidence=dict(case.evidence),
            ruling=str(decision.ruling),
            reason=decision.reason,
            decided_by=decision.decided_by,
            decided_at=decision.decided_at,
        )
    )
    session.flush()


def get(session: Session, case_id: CaseId) -> Case | None:
    """Return a decided case."""
    row = session.get(CaseDecisionRow, case_id)
    return None if row is None else _case(row)


def latest(session: Session, limit: int) -> tuple[Case, ...]:
    """Return the cases decided last, newest first."""
    rows = session.exec(select(CaseDecisionRow).order_by(col(CaseDecisionRow.decided_at).desc()).limit(limit))
    return tuple(_case(row) for row in rows)


def _case(row: CaseDecisionRow) -> Case:
    return Case(
        case_id=CaseId(row.case_id),
        kind=CaseKind(row.kind),
        subject_id=row.subject_id,
        opened_at=row.opened_at,
        reasons=tuple(row.reasons),
        evidence=row.evidence,
        decision=CaseDecision(Ruling(row.ruling), row.reason, row.decided_by, row.decided_at),
    )
