"""The worst ingredient decides, however deep."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.answer import Answer
from provenance.lineage import LineageState, assess, walk
from provenance.manifests import Ingredient, ManifestReading

SOUND = Ingredient("parentOf", "urn:c2pa:sound", (), trusted=True)
UNSIGNED = Ingredient("parentOf", None, (), trusted=None)
UNTRUSTED = Ingredient("parentOf", "urn:c2pa:untrusted", (), trusted=False)
TAMPERED = Ingredient("parentOf", "urn:c2pa:tampered", ("assertion.bmffHash.mismatch",), trusted=True)


def reading(*ingredients: Ingredient) -> ManifestReading:
    return ManifestReading(present=True, intact=True, trusted=True, ingredients=ingredients)


@pytest.mark.parametrize(
    ("ingredients", "state", "sound"),
    [
        ((), LineageState.NONE, Answer.YES),
        ((SOUND,), LineageState.SOUND, Answer.YES),
        ((SOUND, UNSIGNED), LineageState.UNSIGNED, Answer.UNKNOWN),
        ((UNSIGNED, UNTRUSTED), LineageState.UNTRUSTED, Answer.NO),
        ((UNTRUSTED, TAMPERED, SOUND), LineageState.TAMPERED, Answer.NO),
    ],
)
def test_the_worst_ingredient_decides(
    ingredients: tuple[Ingredient, ...], state: LineageState, sound: Answer
) -> None:
    verdict = assess(reading(*ingredients))
    assert (verdict.state, verdict.sound) == (state, sound)


def nested(*chain: Ingredient) -> Ingredient:
    below: tuple[Ingredient, ...] = ()
    for one in reversed(chain):
        below = (replace(one, ingredients=below),)
    return below[0]


def test_a_tampered_grandparent_is_found() -> None:
    verdict = assess(reading(nested(SOUND, SOUND, TAMPERED)))
    assert verdict.state is LineageState.TAMPERED
    assert verdict.reasons == ("assertion.bmffHash.mismatch",)
    assert verdict.manifest_ids == ("urn:c2pa:sound", "urn:c2pa:tampered")


trees = st.recursive(
    st.sampled_from([SOUND, UNSIGNED, UNTRUSTED, TAMPERED]),
    lambda inner: st.tuples(st.sampled_from([SOUND, UNTRUSTED]), st.lists(inner, max_size=3)).map(
        lambda pair: Ingredient(
            "parentOf", pair[0].manifest_id, (), trusted=pair[0].trusted, ingredients=tuple(pair[1])
        )
    ),
    max_leaves=12,
)


@given(st.lists(trees, max_size=3), trees)
def test_another_ingredient_never_improves_a_lineage(before: list[Ingredient], added: Ingredient) -> None:
    order = list(LineageState)
    alone, together = assess(reading(*before)), assess(reading(*before, added))
    assert order.index(together.state) >= order.index(alone.state)
    assert together.state is not LineageState.NONE
    assert len(list(walk((*before, added)))) > len(list(walk(tuple(before))))
