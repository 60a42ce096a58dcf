"""Judges a grant without asking the service: a token, published keys and a status list are enough.

In: what a platform holds. Out: a verdict. It fails closed: without a fresh list for the grant the answer is
indeterminate, never yes. Imports nothing of the database or of HTTP, so that a client can carry it.

Source: draft-ietf-oauth-status-list section 8.3 (validation rules).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from consent_service.grants.grant_token import GrantClaims, verify_grant
from consent_service.grants.keys import public_keys
from consent_service.grants.status_token import Status, read_list
from consent_service.policy.domain import Effect

_WORDS: Final = {Status.INVALID: "grant_revoked", Status.SUSPENDED: "grant_suspended"}


@dataclass(frozen=True, slots=True)
class OfflineVerdict:
    """Whether the grant stands, for all the platform can know by itself.

    Attributes:
        good_until: First second at which the verdict must be renewed: the earlier of list and grant.
    """

    effect: Effect
    reason: str
    claims: GrantClaims | None = None
    good_until: int | None = None


def judge_offline(
    token: str,
    *,
    jwks: Mapping[str, Any],
    status_list: str | None,
    issuer: str,
    audience: str,
    now: datetime,
) -> OfflineVerdict:
    """Judge a grant token at `now`.

    1. The token is a grant of this issuer for this audience, and in time.
    2. The list is signed by the same issuer's keys for the very address the token names, and fresh.
    3. The grant's entry in it says valid.

    Raises:
        InvalidInputError: Code `jwks_invalid`; the keys themselves cannot be used.
    """
    keys = public_keys(jwks)
    # 1.
    verdict = verify_grant(token, keys=keys, issuer=issuer, audience=audience, now=now)
    claims = verdict.claims
    if claims is None:
        return OfflineVerdict(Effect.DENY, verdict.reason)
    if status_list is None:
        return OfflineVerdict(Effect.INDETERMINATE, "status_list_missing", claims)
    # 2.
    listed = read_list(status_list, uri=claims.status_uri, keys=keys, now=now)
    if listed.reason is not None:
        return OfflineVerdict(Effect.INDETERMINATE, listed.reason, claims)
    # 3.
    status = listed.at(claims.status_index)
    if status == Status.VALID:
        until = min(listed.expires_at, claims.not_after)
        return OfflineVerdict(Effect.ALLOW, "valid", claims, until)
    if status in _WORDS:
        return OfflineVerdict(Effect.DENY, _WORDS[Status(status)], claims)
    return OfflineVerdict(Effect.INDETERMINATE, "status_unknown", claims)
