"""Writes what happened to a clip: its row, the audit entry and the notice, in one transaction.

In: a clip's id and what a step learnt. Out: the clip as it stands afterwards. A clip that has come to rest is
never changed by a step: a workflow that runs twice, or late, finds it and stops.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.accounts import webhooks
from consent_service.audit.service import AuditLog
from consent_service.clips import repository
from consent_service.clips.domain import RESTING, ClipState
from consent_service.clips.record import Clip
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import Clock
from consent_service.kernel.ids import ClipId

_LOGGED: Final[Mapping[ClipState, str]] = {
    ClipState.PUBLISHED: "clip.published",
    ClipState.REFUSED: "clip.refused",
    ClipState.NEEDS_REVIEW: "clip.review",
}

Learn = Callable[[Clip], Mapping[str, Any]]


class Ledger:
    """The one writer of clips."""

    def __init__(self, engine: Engine, clock: Clock, audit: AuditLog) -> None:
        self._engine = engine
        self.clock = clock
        self._audit = audit

    def transaction(self) -> AbstractContextManager[Session]:
        """Open a transaction on the clips' database, or join the one under way."""
        return transaction(self._engine)

    def reading(self) -> AbstractContextManager[Session]:
        """Open a consistent snapshot of the clips' database."""
        return reading(self._engine)

    def read(self, clip_id: ClipId) -> Clip:
        """Return a clip as it stands.

        Raises:
            NotFoundError: There is no such clip.
        """
        with self.reading() as session:
            return repository.get(session, clip_id)

    def step(self, clip_id: ClipId, target: ClipState, **learnt: Any) -> Clip:  # noqa: ANN401  fields vary
        """Move a clip along, keeping what the step learnt; a clip at rest stays as it is."""
        return self.step_with(clip_id, target, lambda _: learnt)

    def step_with(self, clip_id: ClipId, target: ClipState, learn: Learn) -> Clip:
        """As `step`, for what depends on the clip as it is inside the transaction."""
        with self.transaction() as session:
            clip = repository.get(session, clip_id)
            if clip.state in RESTING:
                return clip
            moved = clip.moved(target, self.clock.now(), **learn(clip))
            repository.save(session, moved)
            return moved

    def end(self, clip_id: ClipId, target: ClipState, reasons: tuple[str, ...], **learnt: Any) -> Clip:  # noqa: ANN401  same
        """Bring a clip to rest, unless it is: state, audit entry and notice together."""
        with self.transaction() as session:
            clip = repository.get(session, clip_id)
            if clip.state in RESTING:
                return clip
            return self.end_in(session, clip, target, reasons, **learnt)

    def end_in(
        self,
        session: Session,
        clip: Clip,
        target: ClipState,
        reasons: tuple[str, ...],
        **learnt: Any,  # noqa: ANN401  fields vary
    ) -> Clip:
        """As `end`, in the caller's transaction, on a clip read in it."""
        ended = clip.moved(target, self.clock.now(), reasons=reasons, **learnt)
        ended = self._logged(session, ended)
        repository.save(session, ended)
        notice = {"clip_id": ended.clip_id, "state": str(target), "reasons": list(reasons)}
        webhooks.enqueue(session, ended.relying_party_id, f"clip.{target}", notice, now=self.clock.now())
        return ended

    def _logged(self, session: Session, clip: Clip) -> Clip:
        """Append the audit entry; a technical failure decides nothing and is not logged there."""
        kind = _LOGGED.get(clip.state)
        if kind is None:
            return clip
        facts: dict[str, str | int | bool] = {"clip_id": clip.clip_id, "round": clip.round}
        if clip.manifest_id is not None and clip.state is ClipState.PUBLISHED:
            facts["manifest_id"] = clip.manifest_id
        if clip.reasons:
            facts["reasons"] = " ".join(clip.reasons)
        index = self._audit.append(session, kind, facts=facts)
        return clip.moved(clip.state, clip.updated_at, log_index=index)
