"""What a verdict means in words, and what standings say about consent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.verification.domain import consent_of, sentence
from provenance.answer import Answer
from provenance.verdict import Verdict, VerdictState

STANDINGS = st.sampled_from(["valid", "revoked", "expired", "suspended", "not_yet_valid", "unknown"])


@pytest.mark.parametrize("state", VerdictState)
@pytest.mark.parametrize("consented", Answer)
def test_every_verdict_has_one_plain_sentence(state: VerdictState, consented: Answer) -> None:
    said = sentence(Verdict(state, Answer.NO, Answer.NO, Answer.NO, consented))
    assert said.startswith(("This", "The", "Nothing"))
    assert said.endswith(".")
    assert said.count(".") == 1
    assert ("consent" in said) == (consented is not Answer.UNKNOWN)


@given(st.lists(STANDINGS, max_size=6))
def test_consent_stands_only_while_every_grant_does(standings: list[str]) -> None:
    answer = consent_of(standings)
    ended = {standing for standing in standings if standing not in {"valid", "unknown"}}
    if ended:
        assert answer.answer is Answer.NO
        assert set(answer.reasons) == {f"grant_{standing}" for standing in ended}
    elif standings and set(standings) == {"valid"}:
        assert (answer.answer, answer.reasons) == (Answer.YES, ())
    else:
        assert answer.answer is Answer.UNKNOWN


def test_why_consent_stays_open_is_said() -> None:
    assert consent_of(["valid", "unknown"]).reasons == ("grant_unknown",)
    assert consent_of([]).reasons == ("no_grants_stated",)
