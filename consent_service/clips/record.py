"""The record of one clip: what was handed in, what each step found, what came of it.

In: values from the steps. Out: a frozen `Clip`; a step never changes one, it makes the next. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from consent_service.clips.domain import (
    ClipConsent,
    ClipState,
    Declaration,
    PublishedFile,
    Ruling,
    SourceFile,
    advance,
)
from consent_service.clips.gate import LikenessCheck, OutputEvidence, Scan
from consent_service.kernel.ids import CaseId, ClipId, GrantId, RelyingPartyId


@dataclass(frozen=True, slots=True)
class Clip:
    """One submitted clip.

    Attributes:
        round: How often it was sent through the gate; a moderator's release adds one.
        watermark: The 8-byte identifier, recorded before anything is marked with it.
        marks: The marking report (strengths, margins), as JSON.
        output: What a stranger read from the finished file.
        log_index: Where the audit log records the end of it.
    """

    clip_id: ClipId
    relying_party_id: RelyingPartyId
    declaration: Declaration
    source: SourceFile
    created_at: datetime
    updated_at: datetime
    state: ClipState = ClipState.RECEIVED
    round: int = 0
    watermark: bytes | None = None
    checks: tuple[LikenessCheck, ...] = ()
    scan: Scan | None = None
    marks: Mapping[str, Any] | None = None
    output: OutputEvidence | None = None
    reasons: tuple[str, ...] = ()
    manifest_id: str | None = None
    published: PublishedFile | None = None
    published_at: datetime | None = None
    log_index: int | None = None
    consent: ClipConsent | None = None
    case_id: CaseId | None = None
    ruling: Ruling | None = None

    @property
    def job_id(self) -> str:
        """The one job that carries this round of it."""
        return f"publish-{self.clip_id}-{self.round}"

    @property
    def grant_ids(self) -> tuple[GrantId, ...]:
        """The grants that admitted it, in the order declared."""
        return tuple(check.grant_id for check in self.checks if check.grant_id is not None)

    def moved(self, target: ClipState, now: datetime, **changes: Any) -> "Clip":  # noqa: ANN401  fields vary
        """Return this clip in another state, with what was learnt on the way.

        Raises:
            ConflictError: The state machine has no such transition.
        """
        return replace(self, state=advance(self.state, target), updated_at=now, **changes)
