"""Journey 5: one click; denied from that moment on, and every clip that rests on it is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_service.demo.client import Caller
from consent_service.demo.notices import NoticeBoard
from tests.journeys.conftest import Enrolled, Platform, Service, declaration, give_grant, hand_in


@pytest.fixture(scope="module")
def venue(service: Service) -> Iterator[Platform]:
    """Return a platform of its own, whose grant may be withdrawn without touching other journeys."""
    with NoticeBoard() as notices:
        party, key, secret = service.relying_party("Venue", notices.url)
        notices.trust(secret)
        yield Platform(party, service.caller(key), key, notices)


@pytest.mark.slow
def test_a_withdrawal_is_seen_everywhere_at_once(
    venue: Platform, she: Enrolled, stranger: Caller, greeting: Path, tmp_path: Path
) -> None:
    grant = give_grant(she, venue)
    clip = hand_in(venue.caller, greeting, declaration(she.likeness_id))
    assert clip["state"] == "published", clip
    remix = hand_in(venue.caller, greeting, declaration(she.likeness_id, parents=(clip["clip_id"],)))
    assert remix["state"] == "published", remix
    question = {"likeness_id": she.likeness_id, "requester_id": "user-1", "uses": ["face"]}
    question |= {"purpose": "entertainment", "region": "DE"}
    assert venue.caller.post("/v1/checks", question)["decision"] == "allow"

    she.caller.post(f"/v1/grants/{grant['grant_id']}/revoke")

    denied = venue.caller.post("/v1/checks", question)
    assert (denied["decision"], denied["reasons"]) == ("deny", ["grant_revoked"])
    notice = venue.notices.wait_for("clip.consent_withdrawn")
    assert notice is not None
    assert notice.signed
    assert notice.data == {
        "grant_id": grant["grant_id"],
        "affected_clips": [clip["clip_id"], remix["clip_id"]],
    }
    assert venue.caller.get(f"/v1/clips/{clip['clip_id']}")["consent"] == "withdrawn"

    file = tmp_path / "clip.mp4"
    file.write_bytes(venue.caller.fetch(remix["file"]))
    verdict = stranger.send("/v1/verifications", file)
    assert (verdict["state"], verdict["consented"]) == ("verified", "no")
    assert verdict["sentence"].endswith("the consent behind it no longer stands.")
    assert verdict["lineage"]

    refused = hand_in(venue.caller, greeting, declaration(she.likeness_id))
    assert refused["state"] == "refused"
    assert {"consent_denied", "grant_revoked"} <= set(refused["reasons"])
