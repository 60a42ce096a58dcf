"""The only SQL of cameos: rows in, frozen values out."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from consent_service.cameos.domain import Challenge, Turn
from consent_service.cameos.tables import CameoRow, ChallengeRow, LikenessRow
from consent_service.kernel.ids import CameoId, ChallengeId, PersonId


def add_challenge(session: Session, challenge: Challenge, issued_at: datetime) -> None:
    """Keep a challenge that is about to be shown."""
    session.add(
        ChallengeRow(
            id=challenge.id,
            person_id=challenge.person_id,
            digits=challenge.digits,
            turns=[str(turn) for turn in challenge.turns],
            issued_at=issued_at,
            expires_at=challenge.expires_at,
        )
    )


def challenge(session: Session, challenge_id: str, *, lock: bool = False) -> Challenge | None:
    """Return a challenge; with `lock`, as nobody else may use it before the transaction ends."""
    row = session.get(ChallengeRow, challenge_id, with_for_update=lock, populate_existing=lock)
    if row is None:
        return None
    return Challenge(
        id=ChallengeId(row.id),
        person_id=PersonId(row.person_id),
        digits=row.digits,
        turns=tuple(Turn(turn) for turn in row.turns),
        expires_at=row.expires_at,
        used_by=CameoId(row.used_by) if row.used_by else None,
    )


def use_challenge(session: Session, challenge_id: str, cameo_id: CameoId) -> None:
    """Note which cameo answered a challenge."""
    row = session.get_one(ChallengeRow, challenge_id)
    row.used_by = cameo_id
    session.add(row)


def forget_challenges(session: Session, before: datetime) -> None:
    """Remove challenges that nobody answered in time."""
    unanswered = col(ChallengeRow.used_by).is_(None), col(ChallengeRow.expires_at) < before
    session.execute(delete(ChallengeRow).where(*unanswered))


def open_challenges(session: Session, person_id: str, now: datetime) -> int:
    """Return how many challenges of a person can still be answered."""
    waiting = (
        ChallengeRow.person_id == person_id,
        col(ChallengeRow.used_by).is_(None),
        col(ChallengeRow.expires_at) > now,
    )
    return session.exec(select(func.count()).select_from(ChallengeRow).where(*waiting)).one()


def processing(session: Session, person_id: str) -> int:
    """Return how many recordings of a person wait to be measured."""
    mine = CameoRow.person_id == person_id, CameoRow.status == "processing"
    return session.exec(select(func.count()).select_from(CameoRow).where(*mine)).one()


def cameo(session: Session, cameo_id: str) -> CameoRow | None:
    """Return a cameo's row."""
    return session.get(CameoRow, cameo_id)


def earlier_recordings(session: Session, row: CameoRow) -> Sequence[CameoRow]:
    """Return the same person's earlier cameos that left a signature."""
    statement = select(CameoRow).where(
        CameoRow.person_id == row.person_id,
        CameoRow.id != row.id,
        CameoRow.received_at <= row.received_at,
        col(CameoRow.sealed_signature).is_not(None),
    )
    return session.exec(statement).all()


def received_before(session: Session, row: CameoRow) -> bool:
    """Tell whether the very same bytes came in earlier, from anybody."""
    statement = select(CameoRow.id).where(
        CameoRow.sha256 == row.sha256, CameoRow.id != row.id, CameoRow.received_at <= row.received_at
    )
    return session.exec(statement.limit(1)).first() is not None


def in_review(session: Session) -> Sequence[CameoRow]:
    """Return the cameos that wait for a moderator, oldest first."""
    waiting = select(CameoRow).where(CameoRow.status == "needs_review")
    return session.exec(waiting.order_by(col(CameoRow.received_at))).all()


def cameos_of(session: Session, person_id: str) -> Sequence[CameoRow]:
    """Return every cameo of a person."""
    return session.exec(select(CameoRow).where(CameoRow.person_id == person_id)).all()


def likeness(session: Session, likeness_id: str) -> LikenessRow | None:
    """Return a likeness's row, erased ones included."""
    return session.get(LikenessRow, likeness_id)


def likeness_of(session: Session, person_id: str) -> LikenessRow | None:
    """Return a person's likeness, unless erased."""
    statement = select(LikenessRow).where(
        LikenessRow.person_id == person_id, col(LikenessRow.erased_at).is_(None)
    )
    return session.exec(statement).one_or_none()


def likenesses(session: Session) -> Sequence[LikenessRow]:
    """Return every likeness that is not erased."""
    return session.exec(select(LikenessRow).where(col(LikenessRow.erased_at).is_(None))).all()
