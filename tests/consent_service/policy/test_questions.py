"""Every question the service can ask fits the schema, so that no decision fails for a misspelt fact."""

from datetime import UTC, datetime, timedelta

import pytest

from consent_service.kernel.ids import ClipId, LikenessId, RelyingPartyId
from consent_service.policy.domain import Effect
from consent_service.policy.engine import PolicyEngine
from consent_service.policy.questions import (
    Consents,
    GrantFacts,
    PrepareClip,
    PublishClip,
    Scan,
    UseOfLikeness,
)
from consent_service.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=UTC)
PARTY, LIKENESS, CLIP = RelyingPartyId("rp_1"), LikenessId("lik_1"), ClipId("clp_1")
NOTHING_FOUND = Scan(0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return PolicyEngine.load(Settings().policies_dir)


def grant(max_seconds: int | None) -> GrantFacts:
    start = NOW.replace(microsecond=0)
    end = start + timedelta(seconds=1)
    return GrantFacts(
        likeness_id=LIKENESS,
        relying_party_id=PARTY,
        state="active",
        not_before=start,
        not_after=end,
        requesters=["*"],
        uses=["face"],
        purposes={"entertainment"},
        forbidden=set(),
        commercial=True,
        remix=True,
        regions=["001"],
        max_seconds=max_seconds,
    )


def use(region: str | None, seconds: int | None, held: GrantFacts | None) -> UseOfLikeness:
    return UseOfLikeness(
        relying_party_id=PARTY,
        likeness_id=LIKENESS,
        now=NOW,
        requester="user-1",
        uses=["face"],
        purpose="entertainment",
        categories=[],
        commercial=True,
        remix=True,
        region=region,
        seconds=seconds,
        grant=held,
    )


@pytest.mark.parametrize("region", [None, "DE"])
@pytest.mark.parametrize("seconds", [None, 5])
@pytest.mark.parametrize("limit", [None, 9])
def test_every_use_that_can_be_asked_for_fits_the_schema(
    engine: PolicyEngine, region: str | None, seconds: int | None, limit: int | None
) -> None:
    without = engine.decide(use(region, seconds, None).request())
    assert (without.effect, without.reasons) == (Effect.DENY, ())
    with_grant = engine.decide(use(region, seconds, grant(limit)).request())
    unknown = limit is not None and seconds is None
    assert with_grant.effect is (Effect.INDETERMINATE if unknown else Effect.ALLOW)


def test_a_clip_fits_the_schema_before_and_after_it_is_marked(engine: PolicyEngine) -> None:
    consents = Consents(allowed=1, denied=0, indeterminate=0)
    before = PrepareClip(PARTY, CLIP, consents, NOTHING_FOUND)
    after = PublishClip(
        PARTY,
        CLIP,
        consents,
        NOTHING_FOUND,
        video_mark_readable=True,
        has_sound=True,
        audio_mark_readable=True,
        signature_readable=True,
        signature_trusted=True,
    )
    assert engine.decide(before.request()).reasons == ("may_be_marked",)
    assert engine.decide(after.request()).reasons == ("published",)
