"""A decision needs a real reason; a case knows whether it was decided."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consent_service.clips.domain import Ruling
from consent_service.kernel.errors import InvalidInputError
from consent_service.kernel.ids import CaseId
from consent_service.reviews.domain import Case, CaseDecision, CaseKind, CaseState

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize("reason", ["", "too short", " " * 40, "x" * 2001])
def test_a_decision_needs_a_real_reason(reason: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        CaseDecision(Ruling.RELEASE, reason, "mod_1", NOW)
    assert refused.value.code == "reason_missing"


def test_a_case_is_open_until_somebody_decides() -> None:
    case = Case(CaseId("cas_1"), CaseKind.CLIP, "clp_1", NOW, ("unknown_face",), {})
    assert case.state is CaseState.OPEN
    decision = CaseDecision(Ruling.UPHOLD, "nobody knows this person", "mod_1", NOW)
    assert replace(case, decision=decision).state is CaseState.DECIDED
