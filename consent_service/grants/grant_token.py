"""The grant as a token a platform can carry and check offline: `likeness-grant+jwt`.

In: a `Grant`. Out: its claims; and back, a verdict on a token with the claims it carries. Pure.

Claims: iss, sub (likeness), aud (platform), azp (platform), client_id (requesters, joined by a blank), jti
(grant), iat, nbf, exp, lg (the scope), status (Token Status List), consent (the record and its hash).
Sources: RFC 7519; RFC 9068 (client_id); OpenID Connect Core section 2 (azp); draft-ietf-oauth-status-list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from consent_service.grants import tokens
from consent_service.grants.domain import Grant
from consent_service.grants.keys import PublicKeys, SigningKeys

GRANT_TYPE: Final = "likeness-grant+jwt"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class GrantClaims:
    """What a verified token says.

    Attributes:
        scope: The `lg` claim.
        status_uri: Where the status list is published.
        status_index: The grant's index in it.
    """

    grant_id: str
    likeness_id: str
    relying_party_id: str
    scope: Mapping[str, Any]
    not_before: int
    not_after: int
    status_uri: str
    status_index: int
    receipt_sha256: str


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """Whether a token is a grant for this audience, now; revocation is a separate question."""

    valid: bool
    reason: str
    claims: GrantClaims | None = None


def sign_grant(grant: Grant, *, issuer: str, status_uri: str, keys: SigningKeys) -> str:
    """Return the grant as a signed token."""
    return tokens.sign(_claims(grant, issuer, status_uri), typ=GRANT_TYPE, keys=keys)


def verify_grant(token: str, *, keys: PublicKeys, issuer: str, audience: str, now: datetime) -> TokenVerdict:
    """Verify a grant token for one audience, offline.

    1. Header, signature and shape (`tokens.verify`).
    2. `iss` is the expected issuer; `aud` names this audience.
    3. `iat`, `nbf`, `exp` are whole seconds; not before `nbf`, before `exp`, not issued in the future.
    4. The scope is of a version known here; status, consent, subject and grant id are there.
    """
    # 1.
    signed = tokens.verify(token, typ=GRANT_TYPE, keys=keys)
    if signed.claims is None:
        return TokenVerdict(valid=False, reason=signed.reason or "token_malformed")
    claims = signed.claims
    # 2.
    if claims.get("iss") != issuer:
        return TokenVerdict(valid=False, reason="token_issuer_wrong")
    audiences = claims.get("aud")
    if not isinstance(audiences, list) or audience not in audiences:
        return TokenVerdict(valid=False, reason="token_audience_wrong")
    # 3.
    if reason := _judge_times(claims, now.timestamp()):
        return TokenVerdict(valid=False, reason=reason)
    # 4.
    parsed = _parse(claims)
    if parsed is None or parsed.relying_party_id not in audiences:
        return TokenVerdict(valid=False, reason="token_claims_invalid")
    return TokenVerdict(valid=True, reason="valid", claims=parsed)


def _claims(grant: Grant, issuer: str, status_uri: str) -> dict[str, Any]:
    terms = grant.terms
    return {
        "iss": issuer,
        "sub": grant.likeness_id,
        "aud": [terms.relying_party_id],
        "azp": terms.relying_party_id,
        "client_id": " ".join(sorted(terms.requesters)),
        "jti": grant.id,
        "iat": int(grant.issued_at.timestamp()),
        "nbf": int(terms.not_before.timestamp()),
        "exp": int(terms.not_after.timestamp()),
        "lg": scope_of(grant),
        "status": {"status_list": {"idx": grant.status_list[1], "uri": status_uri}},
        "consent": {"record_id": grant.record_id, "receipt_sha256": grant.receipt_sha256},
    }


def scope_of(grant: Grant) -> dict[str, Any]:
    """Return the `lg` claim: what was agreed, with the hashes of its description and of the policies."""
    terms = grant.terms
    scope: dict[str, Any] = {
        "v": _VERSION,
        "requesters": sorted(terms.requesters),
        "uses": sorted(use.value for use in terms.uses),
        "purposes": sorted(terms.purposes),
        "forbid": sorted(terms.forbidden),
        "regions": sorted(terms.regions),
        "remix": terms.remix,
        "commercial": terms.commercial,
        "desc_sha256": terms.description_sha256,
        "policy_sha256": grant.policy_version,
    }
    if terms.max_seconds is not None:
        scope["max_secs"] = terms.max_seconds
    return scope


def _judge_times(claims: Mapping[str, Any], now: float) -> str | None:
    issued, start, end = (claims.get(name) for name in ("iat", "nbf", "exp"))
    if not (type(issued) is int and type(start) is int and type(end) is int):
        return "token_claims_invalid"
    if end <= now:
        return "token_expired"
    return "token_not_yet_valid" if now < start or now < issued else None


def _parse(claims: Mapping[str, Any]) -> GrantClaims | None:
    """Return the claims as a value; None where one is missing or of the wrong kind."""
    try:
        entry = claims["status"]["status_list"]
        parsed = GrantClaims(
            claims["jti"],
            claims["sub"],
            claims["azp"],
            claims["lg"],
            claims["nbf"],
            claims["exp"],
            entry["uri"],
            entry["idx"],
            claims["consent"]["receipt_sha256"],
        )
    except (KeyError, TypeError):
        return None
    texts = (
        parsed.grant_id,
        parsed.likeness_id,
        parsed.relying_party_id,
        parsed.status_uri,
        parsed.receipt_sha256,
    )
    sound = all(isinstance(text, str) and text for text in texts) and type(parsed.status_index) is int
    known = isinstance(parsed.scope, Mapping) and parsed.scope.get("v") == _VERSION
    return parsed if sound and known and parsed.status_index >= 0 else None
