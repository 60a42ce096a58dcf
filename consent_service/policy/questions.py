"""The questions the service asks of its policies, as values whose fields are the facts of the schema.

In: facts that slices know. Out: `PolicyRequest`. One builder for each action in
`policies/schema.cedarschema`, so that a slice cannot misspell a fact.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from consent_service.kernel.ids import ClipId, LikenessId, RelyingPartyId
from consent_service.policy.domain import EntityRef, Fact, PolicyRequest


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What a stored grant says; see `Grant` in the schema."""

    likeness_id: LikenessId
    relying_party_id: RelyingPartyId
    state: str
    not_before: datetime
    not_after: datetime
    requesters: Collection[str]
    uses: Collection[str]
    purposes: Collection[str]
    forbidden: Collection[str]
    commercial: bool
    remix: bool
    regions: Collection[str]
    max_seconds: int | None

    def as_fact(self) -> dict[str, Fact]:
        """Return the grant as a Cedar record."""
        facts: dict[str, Fact] = {
            "likeness": EntityRef("Likeness", self.likeness_id).as_fact(),
            "relying_party": EntityRef("RelyingParty", self.relying_party_id).as_fact(),
            "state": self.state,
            "not_before": _seconds(self.not_before),
            "not_after": _seconds(self.not_after),
            "requesters": list(self.requesters),
            "uses": list(self.uses),
            "purposes": list(self.purposes),
            "forbidden": list(self.forbidden),
            "commercial": self.commercial,
            "remix": self.remix,
            "regions": list(self.regions),
        }
        if self.max_seconds is not None:
            facts["max_seconds"] = self.max_seconds
        return facts


@dataclass(frozen=True, slots=True)
class UseOfLikeness:
    """May this platform use this likeness, for this requester, in this way, at this time?"""

    relying_party_id: RelyingPartyId
    likeness_id: LikenessId
    now: datetime
    requester: str
    uses: Collection[str]
    purpose: str
    categories: Collection[str]
    commercial: bool
    remix: bool
    region: str | None
    seconds: int | None
    grant: GrantFacts | None

    def request(self) -> PolicyRequest:
        """Return the question for the engine; the purpose counts among the topics."""
        context: dict[str, Fact] = {
            "now": _seconds(self.now),
            "requester": self.requester,
            "uses": list(self.uses),
            "purpose": self.purpose,
            "topics": sorted({self.purpose, *self.categories}),
            "commercial": self.commercial,
            "remix": self.remix,
        }
        if self.region is not None:
            context["region"] = self.region
        if self.seconds is not None:
            context["seconds"] = self.seconds
        if self.grant is not None:
            context["grant"] = self.grant.as_fact()
        principal = EntityRef("RelyingParty", self.relying_party_id)
        return PolicyRequest(principal, "use_likeness", EntityRef("Likeness", self.likeness_id), context)


@dataclass(frozen=True, slots=True)
class Consents:
    """Answers to the checks of all declared likenesses, counted."""

    allowed: int
    denied: int
    indeterminate: int

    def as_fact(self) -> dict[str, Fact]:
        """Return the counts as a Cedar record."""
        return {"allowed": self.allowed, "denied": self.denied, "indeterminate": self.indeterminate}


@dataclass(frozen=True, slots=True)
class Scan:
    """What the scan found beyond the declaration, counted; see `Scan` in the schema.

    Attributes:
        reviewed: A moderator looked and let uncertain and unknown findings pass.
    """

    undeclared_faces: int
    undeclared_voices: int
    uncertain_faces: int
    uncertain_voices: int
    unknown_faces: int
    unknown_voices: int
    reviewed: bool = False

    def as_fact(self) -> dict[str, Fact]:
        """Return the findings as a Cedar record."""
        return {
            "undeclared_faces": self.undeclared_faces,
            "undeclared_voices": self.undeclared_voices,
            "uncertain_faces": self.uncertain_faces,
            "uncertain_voices": self.uncertain_voices,
            "unknown_faces": self.unknown_faces,
            "unknown_voices": self.unknown_voices,
            "reviewed": self.reviewed,
        }


@dataclass(frozen=True, slots=True)
class PrepareClip:
    """May this clip be marked and signed?"""

    relying_party_id: RelyingPartyId
    clip_id: ClipId
    consents: Consents
    scan: Scan

    def request(self) -> PolicyRequest:
        """Return the question for the engine."""
        context: dict[str, Fact] = {"consents": self.consents.as_fact(), "scan": self.scan.as_fact()}
        return _about_clip("prepare_clip", self.relying_party_id, self.clip_id, context)


@dataclass(frozen=True, slots=True)
class PublishClip:
    """May this marked and signed copy leave? `consents` were asked again a moment ago."""

    relying_party_id: RelyingPartyId
    clip_id: ClipId
    consents: Consents
    scan: Scan
    video_mark_readable: bool
    has_sound: bool
    audio_mark_readable: bool
    signature_readable: bool
    signature_trusted: bool

    def request(self) -> PolicyRequest:
        """Return the question for the engine."""
        context: dict[str, Fact] = {
            "consents": self.consents.as_fact(),
            "scan": self.scan.as_fact(),
            "video_mark_readable": self.video_mark_readable,
            "has_sound": self.has_sound,
            "audio_mark_readable": self.audio_mark_readable,
            "signature_readable": self.signature_readable,
            "signature_trusted": self.signature_trusted,
        }
        return _about_clip("publish_clip", self.relying_party_id, self.clip_id, context)


def _about_clip(
    action: str, relying_party_id: RelyingPartyId, clip_id: ClipId, context: dict[str, Fact]
) -> PolicyRequest:
    return PolicyRequest(
        EntityRef("RelyingParty", relying_party_id), action, EntityRef("Clip", clip_id), context
    )


def _seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down: exact against limits that are whole seconds themselves."""
    return int(moment.timestamp() // 1)
