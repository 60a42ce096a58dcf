"""What a manifest says: from a `ClaimRequest` to the definition the signer takes.

In: title, source type, watermark identifier, consent grants, parents. Out: the manifest definition (a
JSON-like dict): claim v2 with actions, soft bindings, metadata, the training-and-mining wish and our consent
assertion. The consent assertion holds opaque grant identifiers, receipt hashes and status URLs; never
anything about a person.

Serves: C2PA 2.4 clauses 10 (claims), 18.10 (soft binding), 18.14 (actions); CAWG Training and Data Mining
1.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from provenance import __version__
from provenance.softbinding.assertion import (
    FINGERPRINT_ALG,
    SOFT_BINDING_ALG,
    SOFT_BINDING_LABEL,
    WATERMARK_BYTES,
    SoftBinding,
    encode,
)

SPEC_VERSION = "2.4.0"
CONSENT_LABEL = "org.consent-provenance.grants"
CLAIM_GENERATOR = "consent-provenance"
THUMBNAIL_NAME = "thumbnail.jpg"
_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SOURCE_TYPE = re.compile(r"[A-Za-z]{1,64}")
_GRANT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_URL = 2048
_LONGEST_TITLE = 256


@dataclass(frozen=True, slots=True)
class GrantReference:
    """Points at a consent grant without saying whose it is.

    Attributes:
        grant_id: Opaque identifier.
        receipt_sha256: Hex SHA-256 of the consent receipt.
        status_url: Where anyone may ask whether the grant still stands.
    """

    grant_id: str
    receipt_sha256: str
    status_url: str

    def __post_init__(self) -> None:
        if not _GRANT_ID.fullmatch(self.grant_id):
            raise ValueError("`grant_id` must be 1-128 letters, digits, `.`, `_`, `:` or `-`")
        if not _SHA256.fullmatch(self.receipt_sha256):
            raise ValueError("`receipt_sha256` must be 64 lowercase hex digits")
        parts = urlsplit(self.status_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
            raise ValueError("`status_url` must be an http(s) address without credentials")
        if len(self.status_url) > _LONGEST_URL:
            raise ValueError("`status_url` is too long")

    def to_json(self) -> dict[str, str]:
        """As JSON values, the same as in the consent assertion."""
        return {
            "grant_id": self.grant_id,
            "receipt_sha256": self.receipt_sha256,
            "status_url": self.status_url,
        }


@dataclass(frozen=True, slots=True)
class Generator:
    """The model or program that made the content."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Everything a manifest of ours states.

    Attributes:
        title: Title of the clip; no personal data.
        created_at: When it was made (aware).
        source_type: IPTC digital source type, last path segment.
        generator: What made it.
        watermark_payload: The 8-byte identifier carried by picture and sound, when the file is marked.
        fingerprint: Serialised picture fingerprint, when known.
        grants: The consent the clip was made under.
        parents: Files this one was made from; the first is the one that was opened, others were placed into
            it.
        thumbnail_jpeg: A small JPEG, when wanted.
    """

    title: str
    created_at: datetime
    source_type: str = "trainedAlgorithmicMedia"
    generator: Generator = field(default_factory=lambda: Generator(CLAIM_GENERATOR, __version__))
    watermark_payload: bytes | None = None
    fingerprint: bytes | None = None
    grants: tuple[GrantReference, ...] = ()
    parents: tuple[Path, ...] = ()
    thumbnail_jpeg: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.title) <= _LONGEST_TITLE:
            raise ValueError("`title` must have 1-256 characters")
        if self.created_at.tzinfo is None:
            raise ValueError("`created_at` must be an aware instant")
        if not _SOURCE_TYPE.fullmatch(self.source_type):
            raise ValueError("`source_type` must be the name of an IPTC digital source type")
        if self.watermark_payload is not None and len(self.watermark_payload) != WATERMARK_BYTES:
            raise ValueError(f"`watermark_payload` must have {WATERMARK_BYTES} bytes")


def define(claim: ClaimRequest, media_type: str) -> dict[str, object]:
    """Build the manifest definition.

    Args:
        claim: What to state.
        media_type: MIME type of the signed file.

    Returns:
        A definition for the signer; parents are referred to as `parent-0`, `parent-1`, ...
    """
    definition: dict[str, object] = {
        "claim_version": 2,
        "title": claim.title,
        "format": media_type,
        "instance_id": f"xmp:iid:{uuid4()}",
        "claim_generator_info": [
            {"name": CLAIM_GENERATOR, "version": __version__, "specVersion": SPEC_VERSION}
        ],
        "assertions": _assertions(claim),
    }
    if claim.thumbnail_jpeg is not None:
        definition["thumbnail"] = {"format": "image/jpeg", "identifier": THUMBNAIL_NAME}
    return definition


def parent_label(index: int) -> str:
    """The name by which actions refer to a parent."""
    return f"parent-{index}"


def decode_grants(data: object) -> tuple[GrantReference, ...]:
    """The grants of a consent assertion written by anyone.

    Raises:
        ValueError: It does not have the assertion's shape.
    """
    grants = data.get("grants") if isinstance(data, Mapping) else None
    if not isinstance(grants, list):
        raise TypeError("a consent assertion has no list of grants")
    return tuple(_decode_grant(entry) for entry in grants)


def _decode_grant(entry: object) -> GrantReference:
    if not isinstance(entry, Mapping):
        raise TypeError("a grant is not an object")
    fields = [entry.get(name) for name in ("grant_id", "receipt_sha256", "status_url")]
    if not all(isinstance(value, str) for value in fields):
        raise TypeError("a grant lacks an identifier, receipt or status address")
    return GrantReference(*(str(value) for value in fields))


def _assertions(claim: ClaimRequest) -> list[dict[str, object]]:
    assertions = [_created("c2pa.actions.v2", {"actions": _actions(claim), "allActionsIncluded": True})]
    assertions += [_created(SOFT_BINDING_LABEL, encode(binding)) for binding in _bindings(claim)]
    assertions.append(_created("c2pa.metadata", _metadata(claim)) | {"kind": "Json"})
    assertions.append({"label": "cawg.training-mining", "data": {"entries": _training_and_mining()}})
    if claim.grants:
        assertions.append(
            _created(CONSENT_LABEL, {"version": 1, "grants": [grant.to_json() for grant in claim.grants]})
        )
    return assertions


def _created(label: str, data: dict[str, object]) -> dict[str, object]:
    # Assertions of ours are "created": signed as our own statement, not merely gathered from elsewhere.
    return {"label": label, "created": True, "data": data}


def _actions(claim: ClaimRequest) -> list[dict[str, object]]:
    agent = {"name": claim.generator.name, "version": claim.generator.version}
    source: dict[str, object] = {"softwareAgent": agent, "digitalSourceType": _IPTC + claim.source_type}
    if claim.parents:
        actions = [_on_parent("c2pa.opened", 0), {"action": "c2pa.edited"} | source]
        actions += [_on_parent("c2pa.placed", index) for index in range(1, len(claim.parents))]
    else:
        actions = [{"action": "c2pa.created"} | source]
    if claim.watermark_payload is not None:
        marker = {"name": CLAIM_GENERATOR, "version": __version__}
        actions.append({"action": "c2pa.watermarked.bound", "softwareAgent": marker})
    actions.append({"action": "c2pa.published"})
    return [action | {"when": _when(claim)} for action in actions]


def _on_parent(action: str, index: int) -> dict[str, object]:
    return {"action": action, "parameters": {"ingredientIds": [parent_label(index)]}}


def _bindings(claim: ClaimRequest) -> list[SoftBinding]:
    values = ((SOFT_BINDING_ALG, claim.watermark_payload), (FINGERPRINT_ALG, claim.fingerprint))
    return [SoftBinding(alg, value) for alg, value in values if value is not None]


def _metadata(claim: ClaimRequest) -> dict[str, object]:
    return {
        "@context": {
            "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
            "xmp": "http://ns.adobe.com/xap/1.0/",
        },
        "Iptc4xmpExt:DigitalSourceType": _IPTC + claim.source_type,
        "xmp:CreateDate": _when(claim),
    }


def _training_and_mining() -> dict[str, object]:
    uses = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
    return {use: {"use": "notAllowed"} for use in uses}


def _when(claim: ClaimRequest) -> str:
    return claim.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
