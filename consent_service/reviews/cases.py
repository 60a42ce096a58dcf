"""What a slice below holds for review, as a case: with the evidence a moderator needs, and no more.

In: a held clip or cameo. Out: an open `Case`. Moderators see whom a scan matched, and the figures of a
recording; the recording itself is gone, and templates are never shown.
"""

from consent_service.cameos.record import Cameo
from consent_service.clips.record import Clip
from consent_service.clips.schemas import CheckOut
from consent_service.reviews.domain import Case, CaseKind


def of_cameo(cameo: Cameo) -> Case:
    """Return the case a held cameo makes."""
    return Case(
        case_id=cameo.case_id,
        kind=CaseKind.CAMEO,
        subject_id=cameo.id,
        opened_at=cameo.decided_at or cameo.received_at,
        reasons=cameo.reasons,
        evidence=cameo.evidence or {},
    )


def of_clip(clip: Clip) -> Case:
    """Return the case a held clip makes."""
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
