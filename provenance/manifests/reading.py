"""What reading a manifest found: values only, picklable, so that they can leave the sandbox.

Serves: C2PA 2.x clause 15 (validation); its status codes appear unchanged in `reasons`.
"""

from dataclasses import dataclass, field
from datetime import datetime

from provenance.manifests.claim import GrantReference
from provenance.softbinding.assertion import SoftBinding


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file this one was made from, as the manifest recorded and we judged it.

    Attributes:
        relationship: `parentOf`, `componentOf` or `inputTo`.
        manifest_id: URN of its manifest; `None` when it came without one.
        failures: Validation failures, recorded at signing or found now; trust in its signer aside.
        trusted: Whether its signer chains to an anchor of ours; `None` without a manifest.
        ingredients: What it was made from in turn.
        source_types: Digital source types its manifest states.
        grants: Consent its manifest states.
        soft_bindings: Its soft bindings.
    """

    relationship: str
    manifest_id: str | None
    failures: tuple[str, ...]
    trusted: bool | None
    ingredients: tuple["Ingredient", ...] = ()
    source_types: tuple[str, ...] = ()
    grants: tuple[GrantReference, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestReading:
    """A file's manifest, validated.

    Attributes:
        present: Whether the file (or the repository) gave a manifest.
        malformed: The file or its manifest could not be parsed; nothing else is known then.
        intact: Nothing has changed since signing; `None` without a readable manifest.
        claim_intact: The claim and its assertions are as signed, whatever became of the content. True for a
            manifest recovered for a re-encoded copy.
        trusted: The signer chains to an anchor of ours and its leaf is fit to sign claims.
        manifest_id: URN of the active manifest.
        signer_common_name: Subject of the leaf; only a label unless `trusted`.
        signed_at: Time of the timestamp; only evidence if `timestamp_trusted`.
        timestamp_trusted: `None` without a timestamp.
        source_types: IPTC digital source types stated by the actions.
        soft_bindings: All soft bindings.
        grants: Consent references stated by our assertion.
        ingredients: What it was made from.
        reasons: Failure codes of the standard and reason codes of our own, sorted.
        trailing_bytes: Bytes appended where no signature reaches.
        manifest: The manifest store.
        json: The library's own report.
    """

    present: bool
    malformed: bool = False
    intact: bool | None = None
    claim_intact: bool | None = None
    trusted: bool | None = None
    manifest_id: str | None = None
    signer_common_name: str | None = None
    signed_at: datetime | None = None
    timestamp_trusted: bool | None = None
    source_types: tuple[str, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()
    grants: tuple[GrantReference, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    reasons: tuple[str, ...] = ()
    trailing_bytes: int = 0
    manifest: bytes = field(default=b"", repr=False)
    json: str = field(default="", repr=False)

    def to_json(self) -> dict[str, object]:
        """The facts about the signature as JSON values; lineage, grants and reasons stand elsewhere."""
        return {
            "manifest_id": self.manifest_id,
            "signer": self.signer_common_name,
            "signed_at": self.signed_at and self.signed_at.isoformat(),
            "timestamp_trusted": self.timestamp_trusted,
            "source_types": list(self.source_types),
            "soft_bindings": [{"alg": one.alg, "value": one.value.hex()} for one in self.soft_bindings],
            "trailing_bytes": self.trailing_bytes,
        }
