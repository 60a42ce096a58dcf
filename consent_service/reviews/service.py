"""Use cases of the moderators' queue: what is open, one case, a decision.

In: a moderator and their reason. Out: the decision, carried out by the slice below, stored and logged, in one
transaction. Serves journey 6.
"""

from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.audit.service import AuditLog
from consent_service.cameos.service import CameoService
from consent_service.clips.domain import Ruling
from consent_service.clips.service import ClipService
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import ConflictError, NotFoundError
from consent_service.kernel.ids import CameoId, CaseId, ClipId
from consent_service.reviews import repository
from consent_service.reviews.cases import of_cameo, of_clip
from consent_service.reviews.domain import Case, CaseDecision, CaseKind

_MOST_DECIDED: Final = 100


class ReviewService:
    """The queue."""

    def __init__(
        self, engine: Engine, clock: Clock, audit: AuditLog, clips: ClipService, cameos: CameoService
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._audit = audit
        self._clips = clips
        self._cameos = cameos

    def open_cases(self) -> tuple[Case, ...]:
        """Return what waits for a decision, oldest first."""
        with reading(self._engine) as session:
            cases = [of_clip(clip) for clip in self._clips.awaiting_review(session)]
            cases += [of_cameo(cameo) for cameo in self._cameos.in_review(session)]
        return tuple(sorted(cases, key=lambda case: case.opened_at))

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
        """Decide a case: a clip goes through the gate again, a cameo enrols; or either is refused.

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
            self._carry_out(session, case, ruling)
            repository.add(session, case, decision)
            facts = {"case_id": case_id, "subject_id": case.subject_id, "ruling": str(ruling)}
            self._audit.append(session, "case.decided", facts={**facts, "moderator_id": moderator_id})
            return self._find(session, case_id)

    def _find(self, session: Session, case_id: CaseId) -> Case:
        decided = repository.get(session, case_id)
        if decided is not None:
            return decided
        clip = self._clips.by_case(session, case_id)
        if clip is not None:
            return of_clip(clip)
        cameo = self._cameos.by_case(session, case_id)
        if cameo is not None:
            return of_cameo(cameo)
        raise NotFoundError("case_not_found", "there is no such case")

    def _carry_out(self, session: Session, case: Case, ruling: Ruling) -> None:
        if case.kind is CaseKind.CLIP:
            self._clips.rule(session, ClipId(case.subject_id), ruling)
        else:
            self._cameos.settle(session, CameoId(case.subject_id), accept=ruling is Ruling.RELEASE)
