"""How glimpses of one clip are gathered into sightings."""

import numpy as np
import pytest

from consent_service.clips.domain import Use
from consent_service.clips.gate import Match
from consent_service.clips.scanning import _Glimpse, _Reference, _sightings
from consent_service.kernel.ids import LikenessId

TEMPLATE = np.zeros(256, np.float32)


def glimpses(*matches: Match, declared: bool = False) -> list[_Glimpse]:
    person = _Reference(LikenessId("lik_she"), TEMPLATE, declared)
    return [_Glimpse(2.0 * number, match, person, 0.8) for number, match in enumerate(matches)]


@pytest.mark.parametrize(("declared", "certain"), [(True, Match.DECLARED), (False, Match.UNDECLARED)])
def test_an_uncertain_glimpse_of_somebody_seen_for_certain_counts_as_them(
    declared: bool, certain: Match
) -> None:
    found = list(_sightings(Use.VOICE, glimpses(certain, Match.UNCERTAIN, declared=declared), 2))
    assert [(each.match, each.samples) for each in found] == [(certain, 2)]


def test_somebody_only_ever_uncertain_stays_so() -> None:
    found = list(_sightings(Use.VOICE, glimpses(Match.UNCERTAIN, Match.UNCERTAIN), 2))
    assert [each.match for each in found] == [Match.UNCERTAIN]


def test_one_stray_sample_among_many_accuses_nobody() -> None:
    assert list(_sightings(Use.FACE, glimpses(Match.UNDECLARED), 9)) == []
