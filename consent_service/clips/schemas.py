"""Wire shapes of clips.

A relying party sees what it declared and which codes stand in the way; whom an undeclared face belongs to, or
whether it is anybody's the service knows, is not for it to learn beyond the reason code.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from consent_service.clips.domain import (
    ClipConsent,
    ClipState,
    Declaration,
    DeclaredLikeness,
    Generator,
    Sound,
    Use,
)
from consent_service.clips.gate import LikenessCheck, Match, Scan
from consent_service.clips.record import Clip
from consent_service.kernel.ids import ClipId, LikenessId

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$")]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[ -~]+$")]

DECLARATION_EXAMPLE: dict[str, JsonValue] = {
    "requester_id": "user-1842",
    "purpose": "entertainment",
    "commercial": False,
    "region": "DE",
    "likenesses": [{"likeness_id": "lik_6q3k7m2n9p4r5s8t2v3w6x7y2z", "uses": ["face", "voice"]}],
    "generator": {"name": "Example Video Model", "version": "3.1"},
    "parents": [],
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LikenessIn(_Strict):
    """One likeness in the clip."""

    likeness_id: Annotated[str, StringConstraints(pattern=r"^lik_[a-z2-9]{26}$")]
    uses: Annotated[list[Literal["face", "voice"]], Field(min_length=1, max_length=2)]

    def to_domain(self) -> DeclaredLikeness:
        """Return the value."""
        return DeclaredLikeness(LikenessId(self.likeness_id), frozenset(Use(use) for use in self.uses))


class GeneratorIn(_Strict):
    """The software that made the clip."""

    name: Label
    version: Label


class DeclarationIn(_Strict):
    """Whom the clip shows, for whom and what it was made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [DECLARATION_EXAMPLE]})

    requester_id: Name = Field(description="The account on your platform for whom the clip was made.")
    purpose: Topic
    categories: list[Topic] = Field([], max_length=20, description="What else the content is about.")
    commercial: bool
    region: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    likenesses: list[LikenessIn] = Field(max_length=16)
    generator: GeneratorIn
    parents: list[str] = Field([], max_length=8, description="Published clips this one was made from.")

    def to_domain(self) -> Declaration:
        """Return the value.

        Raises:
            InvalidInputError: The declaration contradicts itself.
        """
        return Declaration(
            requester_id=self.requester_id,
            purpose=self.purpose,
            categories=frozenset(self.categories),
            commercial=self.commercial,
            region=self.region,
            likenesses=tuple(likeness.to_domain() for likeness in self.likenesses),
            generator=Generator(self.generator.name, self.generator.version),
            parents=tuple(ClipId(parent) for parent in self.parents),
        )


class CheckOut(BaseModel):
    """What the grants said about one declared likeness."""

    likeness_id: str
    decision: Literal["allow", "deny", "indeterminate"]
    reasons: list[str]
    grant_id: str | None
    policy_version: str

    @classmethod
    def of(cls, check: LikenessCheck) -> Self:
        """Return the wire shape."""
        return cls.model_validate(check, from_attributes=True)


class SightingOut(BaseModel):
    """A face seen or a voice heard; named only when you declared it."""

    use: Use
    match: Match
    likeness_id: str | None
    first_seconds: float
    samples: int
    score: float | None


class ScanOut(BaseModel):
    """What the scan found, and how closely it looked."""

    frames: int
    speech_seconds: float
    sightings: list[SightingOut]

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """Return the wire shape; only declared likenesses keep name and score."""
        return cls(
            frames=scan.frames,
            speech_seconds=round(scan.speech_seconds, 2),
            sightings=[
                SightingOut(
                    use=each.use,
                    match=each.match,
                    likeness_id=each.likeness_id if each.match is Match.DECLARED else None,
                    first_seconds=round(each.first_seconds, 3),
                    samples=each.samples,
                    score=each.score if each.match is Match.DECLARED else None,
                )
                for each in scan.sightings
            ],
        )


class OutputOut(BaseModel):
    """What was read back from the finished file."""

    intact: bool | None
    trusted: bool | None
    picture_mark: bool
    sound_mark: bool
    sound: Sound


class ClipOut(BaseModel):
    """A clip and how far it has come."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "clip_id": "clp_6q3k7m2n9p4r5s8t2v3w6x7y2z",
                    "state": "published",
                    "reasons": [],
                    "manifest_id": "urn:c2pa:0f3b8f2e-6f1c-4d2a-9c55-2f8f0c6f8a11",
                    "watermark": "8f3a1c2b4d5e6f70",
                    "consent": "standing",
                    "file": "/v1/clips/clp_6q3k7m2n9p4r5s8t2v3w6x7y2z/file",
                }
            ]
        }
    )

    clip_id: str
    state: ClipState
    reasons: list[str] = Field(description="Why it was refused, held or failed; empty otherwise.")
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    checks: list[CheckOut]
    scan: ScanOut | None
    watermark: str | None = Field(description="The identifier in picture and sound, hex.")
    marks: dict[str, Any] | None = Field(description="Strength and margin of the marks as made.")
    output: OutputOut | None = Field(description="What a stranger reads from the finished file.")
    manifest_id: str | None
    consent: ClipConsent | None = Field(description="What the grants behind a published clip are worth.")
    log_index: int | None = Field(description="Entry of the transparency log.")
    sha256: str | None = Field(description="Hash of the published file.")
    file: str | None = Field(description="Where the published file is.")

    @classmethod
    def of(cls, clip: Clip) -> Self:
        """Return the wire shape."""
        published = clip.state is ClipState.PUBLISHED
        return cls(
            clip_id=clip.clip_id,
            state=clip.state,
            reasons=list(clip.reasons),
            created_at=clip.created_at,
            updated_at=clip.updated_at,
            published_at=clip.published_at,
            checks=[CheckOut.of(check) for check in clip.checks],
            scan=None if clip.scan is None else ScanOut.of(clip.scan),
            watermark=clip.watermark.hex() if clip.watermark and published else None,
            marks=_marks(clip),
            output=_output(clip),
            manifest_id=clip.manifest_id if published else None,
            consent=clip.consent,
            log_index=clip.log_index,
            sha256=clip.published.sha256 if clip.published else None,
            file=f"/v1/clips/{clip.clip_id}/file" if published else None,
        )


def _marks(clip: Clip) -> dict[str, Any] | None:
    """Return strengths and margins; the identifier itself is told once it is published."""
    if clip.marks is None:
        return None
    return {name: value for name, value in clip.marks.items() if name != "payload"}


def _output(clip: Clip) -> OutputOut | None:
    found = clip.output
    if found is None:
        return None
    return OutputOut(
        intact=found.intact,
        trusted=found.trusted,
        picture_mark=found.video_payload == found.intended,
        sound_mark=bool(found.audio_payload) and found.intended.startswith(found.audio_payload or b""),
        sound=found.sound,
    )
