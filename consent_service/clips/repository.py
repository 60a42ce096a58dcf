"""The only SQL of this slice: clips, whom they rest on, what was made from them, and their manifests.

In and out: frozen domain values; a row is validated back into them, never trusted as one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import func
from sqlmodel import Session, col, select

from consent_service.clips.domain import (
    RESTING,
    ClipConsent,
    ClipState,
    Declaration,
    PublishedFile,
    Ruling,
    SourceFile,
)
from consent_service.clips.gate import LikenessCheck, OutputEvidence, Scan
from consent_service.clips.record import Clip
from consent_service.clips.tables import ClipGrantRow, ClipParentRow, ClipRow, ManifestRow, WithdrawalRow
from consent_service.kernel.errors import NotFoundError
from consent_service.kernel.ids import CaseId, ClipId, GrantId, RelyingPartyId

_DECLARATION: Final = TypeAdapter(Declaration)
_SOURCE: Final = TypeAdapter(SourceFile)
_CHECKS: Final = TypeAdapter(tuple[LikenessCheck, ...])
_SCAN: Final = TypeAdapter(Scan | None)
_OUTPUT: Final = TypeAdapter(OutputEvidence | None, config={"ser_json_bytes": "hex", "val_json_bytes": "hex"})
_PUBLISHED: Final = TypeAdapter(PublishedFile | None)


def add(session: Session, clip: Clip) -> None:
    """Insert a new clip and the parents it declares."""
    session.add(ClipRow(**_columns(clip)))
    session.flush()
    for parent in clip.declaration.parents:
        session.add(ClipParentRow(clip_id=clip.clip_id, parent_id=parent))


def get(session: Session, clip_id: ClipId) -> Clip:
    """Return one clip, locked for the rest of a write transaction where the database can.

    Raises:
        NotFoundError: There is no such clip.
    """
    wanted = select(ClipRow).where(ClipRow.clip_id == clip_id).with_for_update()
    # What the session read before it held the lock may be out of date by now.
    row = session.exec(wanted.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFoundError("clip_not_found", "there is no such clip")
    return _clip(row)


def save(session: Session, clip: Clip) -> None:
    """Write a clip back, with the grants it rests on."""
    row = session.get_one(ClipRow, clip.clip_id)
    for name, value in _columns(clip).items():
        setattr(row, name, value)
    session.add(row)
    for check in clip.checks:
        if check.grant_id is not None and session.get(ClipGrantRow, (clip.clip_id, check.grant_id)) is None:
            session.add(
                ClipGrantRow(clip_id=clip.clip_id, grant_id=check.grant_id, likeness_id=check.likeness_id)
            )
    session.flush()


def unfinished(session: Session) -> tuple[Clip, ...]:
    """Return every clip that has not come to rest, oldest first."""
    resting = [str(state) for state in RESTING]
    found = select(ClipRow).where(col(ClipRow.state).not_in(resting)).order_by(col(ClipRow.created_at))
    return tuple(_clip(row) for row in session.exec(found))


def under_way(session: Session, relying_party_id: RelyingPartyId) -> int:
    """Return how many clips of a relying party have not come to their end; those held count as well."""
    ended = [str(state) for state in RESTING - {ClipState.NEEDS_REVIEW}]
    theirs = ClipRow.relying_party_id == relying_party_id, col(ClipRow.state).not_in(ended)
    return session.exec(select(func.count()).select_from(ClipRow).where(*theirs)).one()


def awaiting_review(session: Session) -> tuple[Clip, ...]:
    """Return the clips held for a moderator, oldest first."""
    held = select(ClipRow).where(ClipRow.state == str(ClipState.NEEDS_REVIEW))
    return tuple(_clip(row) for row in session.exec(held.order_by(col(ClipRow.updated_at))))


def by_case(session: Session, case_id: CaseId) -> Clip | None:
    """Return the clip a case is about."""
    row = session.exec(select(ClipRow).where(ClipRow.case_id == case_id)).first()
    return None if row is None else _clip(row)


def reached_by(session: Session, grant_id: GrantId) -> tuple[Clip, ...]:
    """Return the published clips that rest on a grant, and all remixes made from them, oldest first."""
    first = select(ClipGrantRow.clip_id).where(ClipGrantRow.grant_id == grant_id)
    reached = first.cte("reached", recursive=True)
    reached = reached.union(select(ClipParentRow.clip_id).where(ClipParentRow.parent_id == reached.c.clip_id))
    published = (
        select(ClipRow)
        .where(col(ClipRow.clip_id).in_(select(reached.c.clip_id)))
        .where(ClipRow.state == str(ClipState.PUBLISHED))
        .order_by(col(ClipRow.created_at))
    )
    return tuple(_clip(row) for row in session.exec(published))


def is_withdrawal_handled(session: Session, grant_id: GrantId) -> bool:
    """Tell whether a revocation's clips were already listed and notified."""
    return session.get(WithdrawalRow, grant_id) is not None


def record_withdrawal(session: Session, grant_id: GrantId, affected: int, now: datetime) -> None:
    """Note that a revocation has been handled."""
    session.add(WithdrawalRow(grant_id=grant_id, affected=affected, handled_at=now))


def add_manifest(session: Session, row: ManifestRow) -> None:
    """Insert the manifest of a published clip."""
    session.add(row)
    session.flush()


def manifests_by_mark(session: Session, payload: bytes) -> tuple[ManifestRow, ...]:
    """Return the manifests whose mark is this 8-byte identifier, or begins with these 5 bytes."""
    column = col(ManifestRow.watermark) if len(payload) == 8 else col(ManifestRow.prefix)  # noqa: PLR2004  bytes
    found = select(ManifestRow).where(column == payload).order_by(col(ManifestRow.created_at))
    return tuple(session.exec(found))


def published_among(session: Session, clip_ids: Iterable[ClipId]) -> tuple[Clip, ...]:
    """Return those of these clips that are published, in the order asked."""
    rows = (session.get(ClipRow, clip_id) for clip_id in clip_ids)
    return tuple(_clip(row) for row in rows if row is not None and row.state == ClipState.PUBLISHED)


def sources_of(session: Session, clip_id: ClipId) -> tuple[Clip, ...]:
    """Return every clip this one was made from, however far back, oldest first."""
    made_from = select(ClipParentRow.parent_id).where(ClipParentRow.clip_id == clip_id)
    line = made_from.cte("line", recursive=True)
    line = line.union(select(ClipParentRow.parent_id).where(ClipParentRow.clip_id == line.c.parent_id))
    found = select(ClipRow).where(col(ClipRow.clip_id).in_(select(line.c.parent_id)))
    return tuple(_clip(row) for row in session.exec(found.order_by(col(ClipRow.created_at))))


def _columns(clip: Clip) -> dict[str, Any]:
    return {
        "clip_id": clip.clip_id,
        "relying_party_id": clip.relying_party_id,
        "state": str(clip.state),
        "round": clip.round,
        "declaration": _DECLARATION.dump_python(clip.declaration, mode="json"),
        "source": _SOURCE.dump_python(clip.source, mode="json"),
        "watermark": clip.watermark,
        "checks": _CHECKS.dump_python(clip.checks, mode="json"),
        "scan": _SCAN.dump_python(clip.scan, mode="json"),
        "marks": None if clip.marks is None else dict(clip.marks),
        "output": _OUTPUT.dump_python(clip.output, mode="json"),
        "reasons": list(clip.reasons),
        "manifest_id": clip.manifest_id,
        "published": _PUBLISHED.dump_python(clip.published, mode="json"),
        "published_at": clip.published_at,
        "log_index": clip.log_index,
        "consent": None if clip.consent is None else str(clip.consent),
        "case_id": clip.case_id,
        "ruling": None if clip.ruling is None else str(clip.ruling),
        "created_at": clip.created_at,
        "updated_at": clip.updated_at,
    }


def _clip(row: ClipRow) -> Clip:
    return Clip(
        clip_id=ClipId(row.clip_id),
        relying_party_id=RelyingPartyId(row.relying_party_id),
        state=ClipState(row.state),
        round=row.round,
        declaration=_DECLARATION.validate_python(row.declaration),
        source=_SOURCE.validate_python(row.source),
        watermark=row.watermark,
        checks=_CHECKS.validate_python(row.checks or ()),
        scan=_SCAN.validate_python(row.scan),
        marks=row.marks,
        output=_OUTPUT.validate_python(row.output),
        reasons=tuple(row.reasons),
        manifest_id=row.manifest_id,
        published=_PUBLISHED.validate_python(row.published),
        published_at=row.published_at,
        log_index=row.log_index,
        consent=None if row.consent is None else ClipConsent(row.consent),
        case_id=None if row.case_id is None else CaseId(row.case_id),
        ruling=None if row.ruling is None else Ruling(row.ruling),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
