"""Wire shapes of verdicts."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from consent_service.verification.domain import sentence
from provenance.answer import Answer
from provenance.verify import Verdict, VerdictState


class GrantOut(BaseModel):
    """A consent the manifest names, opaquely."""

    grant_id: str
    status_url: str


class VerdictOut(BaseModel):
    """What a file is: four answers that stand apart, and one sentence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "state": "recovered",
                    "sentence": "This is a changed copy; its watermark led back to the signed original; "
                    "the consent behind it stands.",
                    "intact": "no",
                    "trusted": "yes",
                    "marked": "yes",
                    "consented": "yes",
                    "manifest_id": "urn:c2pa:0f3b8f2e-6f1c-4d2a-9c55-2f8f0c6f8a11",
                    "reasons": ["no_manifest", "revocation_unknown"],
                }
            ]
        }
    )

    state: VerdictState
    sentence: str = Field(description="What it means, for people.")
    good: bool = Field(
        description="Verified or recovered, and neither lineage nor consent speaks against it."
    )
    intact: Answer = Field(description="Are these the bytes that were signed?")
    trusted: Answer = Field(description="Was the manifest relied on signed by somebody we trust?")
    marked: Answer = Field(description="Does picture or sound carry the mark that the manifest binds?")
    consented: Answer = Field(description="Do the grants stand today, of this file and of its sources?")
    lineage: dict[str, Any] = Field(description="What it was made from, and whether that is sound.")
    manifest_id: str | None
    grants: list[GrantOut]
    reasons: list[str] = Field(description="Codes for all that weighs against the file or stayed open.")
    evidence: dict[str, Any] = Field(description="What the answers rest on.")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Return the wire shape."""
        return cls(
            state=verdict.state,
            sentence=sentence(verdict),
            good=verdict.good,
            intact=verdict.intact,
            trusted=verdict.trusted,
            marked=verdict.marked,
            consented=verdict.consented,
            lineage=verdict.lineage.to_json(),
            manifest_id=verdict.manifest_id,
            grants=[GrantOut(grant_id=each.grant_id, status_url=each.status_url) for each in verdict.grants],
            reasons=list(verdict.reasons),
            evidence=dict(verdict.evidence),
        )
