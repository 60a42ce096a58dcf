"""Steps 4, 5 and 9: she grants him the use of her likeness, a platform asks before use, she takes it back.

In: the stage and the accounts. Out: the grant, and after its revocation nothing that still allows anything.
The signed grant is judged without asking the service, as a platform would that holds only published keys and
the status list.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from consent_service.demo.client import JsonObject
from consent_service.demo.enrolling import Account
from consent_service.demo.report import Narrator
from consent_service.demo.stage import Stage
from consent_service.grants.offline import OfflineVerdict, judge_offline
from consent_service.policy.domain import Effect

HIM: Final = "user-he"
"""His account on the platform."""
PURPOSE: Final = "entertainment"
_INTENDED_USE: Final = "Short comic scenes in which I greet his friends. Never advertising, never politics."


@dataclass(frozen=True, slots=True)
class GivenGrant:
    """A consent she gave.

    Attributes:
        grant_id: Its identifier.
        token: The grant as a signed token.
        not_after: Its end.
    """

    grant_id: str
    token: str
    not_after: datetime


def give_grant(tell: Narrator, stage: Stage, she: Account) -> GivenGrant:
    """Let her consent: face and voice, one purpose, one person, until a date, in words."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=90)
    given = she.caller.post(
        "/v1/grants",
        {
            "likeness_id": she.likeness_id,
            "relying_party_id": stage.platform_id,
            "requesters": [HIM],
            "uses": ["face", "voice"],
            "purposes": [PURPOSE],
            "regions": ["001"],
            "description": _INTENDED_USE,
            "not_after": until.isoformat(),
        },
    )
    tell.show("grant", given["grant_id"])
    tell.show("what for", _INTENDED_USE)
    tell.show("until", given["not_after"])
    tell.show("receipt", given["receipt_sha256"])
    tell.show("token header", json.dumps(_decoded(given["token"], 0)))
    tell.show("token claims", json.dumps(_decoded(given["token"], 1)))
    grant = GivenGrant(str(given["grant_id"]), str(given["token"]), until)
    verdict = _judge(stage, grant)
    tell.expect("the token is ES256", _decoded(grant.token, 0)["alg"] == "ES256")
    tell.expect("it verifies with published keys and status list", verdict.effect is Effect.ALLOW)
    return grant


def ask(tell: Narrator, stage: Stage, she: Account, grant: GivenGrant) -> None:
    """Ask as the platform: may he use her for this? And for other things, for others, and too late?"""
    allowed = _check(stage, she)
    tell.show("may he, for this", f"{allowed['decision']} ({', '.join(allowed['reasons'])})")
    tell.show("valid until", allowed["valid_until"])
    tell.expect("allowed, by this grant", _is(allowed, "allow") and allowed["grant_id"] == grant.grant_id)

    late = (grant.not_after + timedelta(days=1)).isoformat()
    _expect_denial(tell, _check(stage, she, purpose="advertising"), "another purpose", "purpose_not_granted")
    _expect_denial(
        tell,
        _check(stage, she, requester_id="user-somebody-else"),
        "another person",
        "no_grant",
        "requester_not_granted",
    )
    _expect_denial(tell, _check(stage, she, at=late), "after the end", "grant_expired")


def revoke(tell: Narrator, stage: Stage, she: Account, grant: GivenGrant) -> None:
    """Let her withdraw: the next check denies, the status list carries it."""
    revoked = she.caller.post(f"/v1/grants/{grant.grant_id}/revoke")
    tell.show("grant", f"{revoked['state']} at {revoked['revoked_at']}")
    _expect_denial(tell, _check(stage, she), "the very next check", "grant_revoked", "no_grant")
    verdict = _judge(stage, grant)
    tell.show("status list says", verdict.reason)
    tell.expect("the status list carries the revocation", verdict.reason == "grant_revoked")


def hear_of_it(tell: Narrator, stage: Stage, grant: GivenGrant, clip_id: str) -> None:
    """Wait for the signed notices: the revocation, and the clips it reaches."""
    affected: list[str] = []
    for kind in ("grant.revoked", "clip.consent_withdrawn"):
        notice = stage.notices.wait_for(kind)
        data = notice.data if notice else {}
        tell.show(kind, json.dumps(data, sort_keys=True))
        about_it = notice is not None and notice.signed and data["grant_id"] == grant.grant_id
        tell.expect(f"the platform hears `{kind}`, signed", about_it)
        affected = data.get("affected_clips", [])
    tell.expect("the notice names the affected clip", clip_id in affected)


def _check(stage: Stage, she: Account, **changed: object) -> JsonObject:
    """Ask the service whether he may use her face and voice for the purpose, or with something changed."""
    question = {
        "likeness_id": she.likeness_id,
        "requester_id": HIM,
        "uses": ["face", "voice"],
        "purpose": PURPOSE,
    }
    return stage.platform.post("/v1/checks", {**question, **changed})


def _expect_denial(tell: Narrator, answer: JsonObject, asked: str, *wanted: str) -> None:
    tell.expect(f"{asked}: denied", _is(answer, "deny"))
    tell.expect_reasons(asked, answer["reasons"], *wanted)


def _is(answer: JsonObject, decision: str) -> bool:
    return bool(answer["decision"] == decision)


def _judge(stage: Stage, grant: GivenGrant) -> OfflineVerdict:
    """Judge the token with what anybody can fetch."""
    claims = _decoded(grant.token, 1)
    address = str(claims["status"]["status_list"]["uri"])
    return judge_offline(
        grant.token,
        jwks=stage.stranger.get("/.well-known/jwks.json"),
        status_list=stage.stranger.fetch(address).decode(),
        issuer=stage.url,
        audience=stage.platform_id,
        now=datetime.now(UTC),
    )


def _decoded(token: str, part: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a token, unverified."""
    text = token.split(".")[part]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded
