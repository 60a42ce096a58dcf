"""A verdict on what a file was made from, apart from the verdict on the file itself.

In: a `ManifestReading` with its ingredient graph. Out: a `LineageVerdict`. A remix of a tampered, unsigned or
untrusted parent is validly signed and reads "Trusted" on its own; the worst ingredient, however deep, decides
here instead.

    none        made from nothing that is stated
    sound       every ingredient was intact and its signer is trusted
    unsigned    an ingredient came without a manifest: its origin is unknown
    untrusted   an ingredient's signer is not trusted
    tampered    an ingredient did not match its manifest, or the record of it is missing or broken

Serves: C2PA 2.x clause 15.11 (ingredient validation), clause 18.15 (ingredient assertion).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from provenance.answer import Answer
from provenance.manifests.reading import Ingredient, ManifestReading


class LineageState(StrEnum):
    """The worst that is known of any ingredient, mildest first."""

    NONE = "none"
    SOUND = "sound"
    UNSIGNED = "unsigned"
    UNTRUSTED = "untrusted"
    TAMPERED = "tampered"


_SEVERITY = {state: rank for rank, state in enumerate(LineageState)}
_ANSWERS = {
    LineageState.NONE: Answer.YES,
    LineageState.SOUND: Answer.YES,
    LineageState.UNSIGNED: Answer.UNKNOWN,
    LineageState.UNTRUSTED: Answer.NO,
    LineageState.TAMPERED: Answer.NO,
}


@dataclass(frozen=True, slots=True)
class LineageVerdict:
    """What a file was made from.

    Attributes:
        state: The worst ingredient's state.
        sound: Whether the lineage can be relied on; `UNKNOWN` when an origin is unknown.
        manifest_ids: Manifests of all ingredients, nearest first, each once.
        reasons: Sorted codes, among them the standard's failure codes.
    """

    state: LineageState
    sound: Answer
    manifest_ids: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "state": self.state,
            "sound": self.sound,
            "manifest_ids": list(self.manifest_ids),
            "reasons": list(self.reasons),
        }


def assess(reading: ManifestReading) -> LineageVerdict:
    """Judge the whole ingredient graph of a reading."""
    ingredients = list(walk(reading.ingredients))
    state = max((_state(one) for one in ingredients), key=_SEVERITY.__getitem__, default=LineageState.NONE)
    identifiers = dict.fromkeys(one.manifest_id for one in ingredients if one.manifest_id)
    reasons = {code for one in ingredients for code in _reasons(one)}
    return LineageVerdict(state, _ANSWERS[state], tuple(identifiers), tuple(sorted(reasons)))


def walk(ingredients: tuple[Ingredient, ...]) -> Iterator[Ingredient]:
    """Every ingredient of the graph, level by level."""
    level = ingredients
    while level:
        yield from level
        level = tuple(below for one in level for below in one.ingredients)


def _state(ingredient: Ingredient) -> LineageState:
    if ingredient.failures:
        return LineageState.TAMPERED
    if ingredient.manifest_id is None:
        return LineageState.UNSIGNED
    return LineageState.SOUND if ingredient.trusted else LineageState.UNTRUSTED


def _reasons(ingredient: Ingredient) -> tuple[str, ...]:
    named = {
        LineageState.UNSIGNED: ("ingredient_unsigned",),
        LineageState.UNTRUSTED: ("ingredient_untrusted",),
    }
    return ingredient.failures or named.get(_state(ingredient), ())
