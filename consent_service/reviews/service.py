"""Use cases of the moderators' queue: what is open, one case, a decision.

In: a moderator and their reason. Out: the decision, carried out by the slice below, stored and logged, in one
transaction. Serves journey 6.
"""

from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.audit.service import AuditLog
from consent_service.clips.domain import Ruling
from consent_service.clips.record import Clip
from consent_service.clips.schemas import CheckOut
from consent_service.clips.service import ClipService
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import ConflictError, NotFoundError
from consent_service.kernel.ids import CaseId, ClipId
from consent_service.reviews import repository
from consent_service.reviews.domain import Case, CaseDecision, CaseKind

_MOST_DECIDED: Final = 100


class ReviewService:
    """The queue."""

    def __init__(self, engine: Engine, clock: Clock, audit: AuditLog, clips: ClipService) -> None:
        self._engine = engine
        self._clock = clock
        self._audit = audit
        self._clips = clips

    def open_cases(self) -> tuple[Case, ...]:
        """Return what waits for a decision, oldest first."""
        with reading(self._engine) as session:
            held = self._clips.awaiting_review(session)
        return tuple(_case(clip) for clip in held)

    def decided_cases(self) -> tuple[Case, ...]:
        """Return what was decided last, newest first."""
        with reading(self._engine) as session:
            return repository.latest(session, _MOST_DECIDED)

    def get(self, case_id: CaseId) -> Case:
        """Return one case, open or decided.

        Raises:
            NotFoundError: There is no such case.
        """
        with reading(self._engine) as session:
            return self._find(session, case_id)

    def decide(self, case_id: CaseId, ruling: Ruling, reason: str, moderator_id: str) -> Case:
        """Decide a case: the clip goes through the gate again, or is refused.

        Raises:
            NotFoundError: There is no such case.
            ConflictError: It is decided already.
            InvalidInputError: There is no real reason.
        """
        decision = CaseDecision(ruling, reason.strip(), moderator_id, self._clock.now())
        with transaction(self._engine) as session:
            case = self._find(session, case_id)
            if case.decision is not None:
                raise ConflictError("case_decided", "the case is decided already")
            self._clips.rule(session, ClipId(case.subject_id), ruling)
            repository.add(session, case, decision)
            facts = {"case_id": case_id, "subject_id": case.subject_id, "ruling": str(ruling)}
            self._audit.append(session, "case.decided", facts={**facts, "moderator_id": moderator_id})
            return self._find(session, case_id)

    def _find(self, session: Session, case_id: CaseId) -> Case:
        decided = repository.get(session, case_id)
        if decided is not None:
            return decided
        clip = self._clips.by_case(session, case_id)
        if clip is None:
            raise NotFoundError("case_not_found", "there is no such case")
        return _case(clip)


def _case(clip: Clip) -> Case:
    """Return the case a held clip makes; moderators see whom the scan matched."""
    if clip.case_id is None:
        raise ValueError("a held clip has a case")
    scan = None
    if clip.scan is not None:
        sightings = [
            {
                "use": str(each.use),
                "match": str(each.match),
                "likeness_id": each.likeness_id,
                "first_seconds": each.first_seconds,
                "samples": each.samples,
                "score": each.score,
            }
            for each in clip.scan.sightings
        ]
        scan = {"frames": clip.scan.frames, "sightings": sightings}
    checks = [CheckOut.of(check).model_dump(mode="json") for check in clip.checks]
    return Case(
        case_id=clip.case_id,
        kind=CaseKind.CLIP,
        subject_id=clip.clip_id,
        opened_at=clip.updated_at,
        reasons=clip.reasons,
        evidence={"purpose": clip.declaration.purpose, "checks": checks, "scan": scan},
    )
