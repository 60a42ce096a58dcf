"""The consent record: what was agreed, when, under which policies, in one hashed document.

In: the facts of a new grant. Out: canonical JSON and its SHA-256, the receipt hash that tokens and manifests
carry. The record stays with the service and its owner; strangers see the hash only. Pure.

Source: ISO/IEC TS 27560 (structure of consent records), reduced to what the service knows by itself.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consent_service.grants.encoding import canonical
from consent_service.grants.terms import GrantTerms


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """A consent record as stored.

    Attributes:
        text: Canonical JSON.
        sha256: Hex hash of the text.
    """

    id: str
    text: bytes
    sha256: str


def write_record(
    record_id: str, *, ids: dict[str, str], terms: GrantTerms, policy_version: str, issuer: str, at: datetime
) -> ConsentRecord:
    """Write the record of one consent.

    Args:
        record_id: Random, so that the hash cannot be guessed from the terms.
        ids: `grant_id`, `likeness_id` and `person_id`.
        terms: What was agreed, with the description word for word.
        policy_version: Policies in force.
        issuer: The service that keeps the record.
        at: When consent was given.
    """
    document = {
        "schema_version": "consent-record/1",
        "record_id": record_id,
        "event": "consent_given",
        "event_time": at.isoformat(timespec="seconds"),
        "controller": issuer,
        "data_subject": ids["person_id"],
        "grant_id": ids["grant_id"],
        "likeness_id": ids["likeness_id"],
        "policy_sha256": policy_version,
        "terms": _terms(terms),
    }
    text = canonical(document)
    return ConsentRecord(record_id, text, hashlib.sha256(text).hexdigest())


def _terms(terms: GrantTerms) -> dict[str, Any]:
    return {
        "relying_party_id": terms.relying_party_id,
        "requesters": sorted(terms.requesters),
        "personal_data": sorted(use.value for use in terms.uses),
        "purposes": sorted(terms.purposes),
        "excluded_topics": sorted(terms.forbidden),
        "commercial": terms.commercial,
        "remix": terms.remix,
        "regions": sorted(terms.regions),
        "longest_clip_seconds": terms.max_seconds,
        "description": terms.description,
        "description_sha256": terms.description_sha256,
        "valid_from": terms.not_before.isoformat(),
        "valid_until": terms.not_after.isoformat(),
    }
