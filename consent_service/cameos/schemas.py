"""Wire shapes of enrolment."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from consent_service.cameos.domain import Challenge, Status, Turn
from consent_service.cameos.record import Cameo


class ChallengeOut(BaseModel):
    """What to do in the recording, before it expires."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "challenge_id": "chl_6q3k7m2n9p4r5s8t2v3w6x7y2z",
                "digits": "407192",
                "turns": ["left", "right", "left"],
                "expires_at": "2026-01-01T12:05:00Z",
            }
        }
    )

    challenge_id: str
    digits: str = Field(description="Say these digits, in English, one by one, and nothing else.")
    turns: list[Turn] = Field(
        description="Then turn your head to your own side, back to the camera, and to the next side. "
        "The recording must not be mirrored."
    )
    expires_at: datetime

    @classmethod
    def of(cls, challenge: Challenge) -> "ChallengeOut":
        """Return a challenge as it is shown to its person."""
        return cls(
            challenge_id=challenge.id,
            digits=challenge.digits,
            turns=list(challenge.turns),
            expires_at=challenge.expires_at,
        )


class CameoOut(BaseModel):
    """A recording and what became of it."""

    cameo_id: str
    status: Status
    reasons: list[str] = Field(description="Why it was not accepted; empty otherwise.")
    evidence: dict[str, Any] | None = Field(
        description="Figures the decision rests on; none while processing."
    )
    received_at: datetime
    decided_at: datetime | None
    likeness_id: str | None = Field(description="The likeness it enrolled or confirmed.")

    @classmethod
    def of(cls, cameo: Cameo) -> "CameoOut":
        """Return a cameo as it is shown to its person."""
        return cls(
            cameo_id=cameo.id,
            status=cameo.status,
            reasons=list(cameo.reasons),
            evidence=cameo.evidence,
            received_at=cameo.received_at,
            decided_at=cameo.decided_at,
            likeness_id=cameo.likeness_id,
        )


class LikenessOut(BaseModel):
    """The caller's enrolled likeness."""

    likeness_id: str
