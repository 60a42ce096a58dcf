"""The two decisions that let a clip out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.clips.domain import Ruling, Sound, Use
from consent_service.clips.gate import (
    Decision,
    GrantStanding,
    LikenessCheck,
    Match,
    Outcome,
    OutputEvidence,
    Reason,
    Scan,
    Sighting,
    count_checks,
    count_scan,
    count_standings,
    decide_admission,
    decide_publication,
)
from consent_service.kernel.ids import ClipId, GrantId, LikenessId, RelyingPartyId
from consent_service.policy.domain import Effect, PolicyDecision
from consent_service.policy.engine import PolicyEngine
from consent_service.policy.questions import PrepareClip

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PAYLOAD = bytes(range(1, 9))
ALLOW = PolicyDecision(Effect.ALLOW, (), "v")
DENY = PolicyDecision(Effect.DENY, (), "v")
CLIP, PARTY = ClipId("clp_x"), RelyingPartyId("rp_x")


def check(decision: str = "allow", grant: str | None = "grt_1", *reasons: str) -> LikenessCheck:
    grant_id = None if grant is None else GrantId(grant)
    return LikenessCheck(LikenessId("lik_1"), decision, reasons, grant_id, "v", None)


def sighting(use: Use, match: Match) -> Sighting:
    return Sighting(use, match, None, 0.0, 3, 0.2)


def evidence(**changes: Any) -> OutputEvidence:
    whole = OutputEvidence(
        intended=PAYLOAD,
        sound=Sound.AUDIBLE,
        video_payload=PAYLOAD,
        audio_payload=PAYLOAD[:5],
        intact=True,
        trusted=True,
        bound=True,
        grants=(GrantStanding(GrantId("grt_1"), "valid", NOW + timedelta(days=1)),),
    )
    return replace(whole, **changes)


def admitted(
    policy: PolicyEngine,
    *sightings: Sighting,
    checks: tuple[LikenessCheck, ...] = (),
    ruling: Ruling | None = None,
) -> Decision:
    scan = count_scan(Scan(sightings, 8, 2.0), ruling)
    question = PrepareClip(PARTY, CLIP, count_checks(checks), scan)
    return decide_admission(checks, policy.decide(question.request()))


@pytest.fixture(scope="module")
def policy() -> PolicyEngine:
    return PolicyEngine.load(Path(__file__).parents[3] / "policies")


def test_a_declared_and_granted_likeness_proceeds(policy: PolicyEngine) -> None:
    seen = (sighting(Use.FACE, Match.DECLARED), sighting(Use.VOICE, Match.DECLARED))
    assert admitted(policy, *seen, checks=(check(),)) == Decision(Outcome.PROCEED)


def test_a_clip_without_people_proceeds(policy: PolicyEngine) -> None:
    assert admitted(policy) == Decision(Outcome.PROCEED)


@pytest.mark.parametrize(
    ("use", "match", "outcome", "reason"),
    [
        (Use.FACE, Match.UNDECLARED, Outcome.REFUSE, "undeclared_face"),
        (Use.VOICE, Match.UNDECLARED, Outcome.REFUSE, "undeclared_voice"),
        (Use.FACE, Match.UNCERTAIN, Outcome.REVIEW, "uncertain_face"),
        (Use.VOICE, Match.UNCERTAIN, Outcome.REVIEW, "uncertain_voice"),
        (Use.FACE, Match.UNKNOWN, Outcome.REVIEW, "unknown_face"),
        (Use.VOICE, Match.UNKNOWN, Outcome.REVIEW, "unknown_voice"),
    ],
)
def test_what_nobody_declared_stops_the_clip(
    policy: PolicyEngine, use: Use, match: Match, outcome: Outcome, reason: str
) -> None:
    assert admitted(policy, sighting(use, match), checks=(check(),)) == Decision(outcome, (reason,))


def test_a_release_dismisses_open_questions_but_no_undeclared_likeness(policy: PolicyEngine) -> None:
    unknown, undeclared = sighting(Use.FACE, Match.UNKNOWN), sighting(Use.FACE, Match.UNDECLARED)
    assert admitted(policy, unknown, ruling=Ruling.RELEASE).outcome is Outcome.PROCEED
    assert admitted(policy, undeclared, ruling=Ruling.RELEASE).outcome is Outcome.REFUSE


def test_a_denied_check_refuses_with_its_reasons(policy: PolicyEngine) -> None:
    denied = check("deny", None, "no_grant")
    assert admitted(policy, checks=(check(), denied)) == Decision(
        Outcome.REFUSE, ("consent_denied", "no_grant")
    )


def test_an_indeterminate_check_is_never_released(policy: PolicyEngine) -> None:
    open_question = check("indeterminate", "grt_1", "region_unknown")
    for ruling in (None, Ruling.RELEASE):
        decision = admitted(policy, checks=(open_question,), ruling=ruling)
        assert decision == Decision(Outcome.REVIEW, ("consent_indeterminate", "region_unknown"))


@pytest.mark.parametrize("bad", [check("deny"), check("maybe"), check("allow", None)])
def test_no_policy_admits_a_likeness_without_a_grant(bad: LikenessCheck) -> None:
    decision = decide_admission((check(), bad), ALLOW)
    assert decision.outcome is Outcome.REFUSE
    assert decision.reasons[0] == Reason.CONSENT_DENIED


def test_an_answer_nobody_knows_counts_as_a_denial() -> None:
    assert count_checks((check(), check("maybe"), check("indeterminate"))).denied == 1


def test_a_file_that_reads_back_whole_is_published() -> None:
    assert decide_publication(evidence(), ALLOW, NOW) == Decision(Outcome.PROCEED)


@pytest.mark.parametrize("sound", [Sound.ABSENT, Sound.SILENT])
def test_without_sound_to_hear_only_the_picture_is_asked_for(sound: Sound) -> None:
    assert (
        decide_publication(evidence(sound=sound, audio_payload=None), ALLOW, NOW).outcome is Outcome.PROCEED
    )


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"video_payload": None}, ("mark_unreadable",)),
        ({"video_payload": bytes(8)}, ("mark_unreadable",)),
        ({"audio_payload": None}, ("mark_unreadable", "sound_mark_unreadable")),
        ({"audio_payload": b""}, ("mark_unreadable", "sound_mark_unreadable")),
        ({"audio_payload": bytes(5)}, ("mark_unreadable", "sound_mark_unreadable")),
        ({"intact": False}, ("signature_unreadable",)),
        ({"intact": None}, ("signature_unreadable",)),
        ({"bound": False}, ("signature_unreadable",)),
        ({"trusted": False}, ("signature_untrusted",)),
        ({"trusted": None}, ("signature_untrusted",)),
        ({"grants": (GrantStanding(GrantId("g"), "revoked"),)}, ("consent_withdrawn_during_publish",)),
        ({"grants": (GrantStanding(GrantId("g"), "valid", NOW),)}, ("consent_withdrawn_during_publish",)),
    ],
)
def test_what_cannot_be_shown_is_refused(changes: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert decide_publication(evidence(**changes), ALLOW, NOW) == Decision(Outcome.REFUSE, reasons)


def test_a_policy_may_ask_for_more() -> None:
    named = PolicyDecision(Effect.INDETERMINATE, ("house_rule",), "v")
    assert decide_publication(evidence(), named, NOW) == Decision(Outcome.REFUSE, ("house_rule",))
    assert decide_publication(evidence(), DENY, NOW) == Decision(Outcome.REFUSE, ("policy_denied",))


@given(
    video=st.sampled_from([None, PAYLOAD, bytes(8)]),
    audio=st.sampled_from([None, b"", PAYLOAD[:5], bytes(5)]),
    intact=st.sampled_from([True, False, None]),
    trusted=st.sampled_from([True, False, None]),
    bound=st.booleans(),
    sound=st.sampled_from(Sound),
    standing=st.sampled_from(["valid", "revoked", "expired", "suspended", "unknown"]),
    effect=st.sampled_from(Effect),
)
def test_publication_implies_every_proof(**drawn: Any) -> None:
    grants = (GrantStanding(GrantId("g"), drawn["standing"]),)
    found = evidence(
        video_payload=drawn["video"],
        audio_payload=drawn["audio"],
        intact=drawn["intact"],
        trusted=drawn["trusted"],
        bound=drawn["bound"],
        sound=drawn["sound"],
        grants=grants,
    )
    decision = decide_publication(found, PolicyDecision(drawn["effect"], (), "v"), NOW)
    shown = (
        found.video_payload == PAYLOAD
        and found.audio_payload in ({PAYLOAD[:5]} if found.sound is Sound.AUDIBLE else {PAYLOAD[:5], None})
        and found.intact is found.trusted is found.bound is True
        and drawn["standing"] == "valid"
        and drawn["effect"] is Effect.ALLOW
    )
    assert (decision.outcome is Outcome.PROCEED) == shown


def test_grants_are_counted_as_they_stand() -> None:
    old = evidence(grants=())
    renewed = old.with_grants((GrantStanding(GrantId("a"), "valid"), GrantStanding(GrantId("b"), "expired")))
    counted = count_standings(renewed, NOW)
    assert (counted.allowed, counted.denied) == (1, 1)
