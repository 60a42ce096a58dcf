"""What a clip is, what its maker declares about it, and which states it may pass through.

In: a relying party's declaration. Out: frozen values and the state machine that every step obeys. The two
decisions that let a clip out are in `gate`. Pure: no I/O, no clock. Serves journey 3 (publish).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from consent_service.kernel.errors import ConflictError, InvalidInputError
from consent_service.kernel.ids import ClipId, LikenessId, is_id

_MAX_LIKENESSES: Final = 16
_MAX_PARENTS: Final = 8


class ClipState(StrEnum):
    """Where a clip stands on its way to publication."""

    RECEIVED = "received"
    CHECKING = "checking"
    MARKING = "marking"
    SIGNING = "signing"
    VERIFYING = "verifying"
    PUBLISHED = "published"
    REFUSED = "refused"
    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"


_STOPS: Final = frozenset({ClipState.REFUSED, ClipState.FAILED})
_NEXT: Final[Mapping[ClipState, frozenset[ClipState]]] = {
    ClipState.RECEIVED: _STOPS | {ClipState.CHECKING},
    ClipState.CHECKING: _STOPS | {ClipState.MARKING, ClipState.NEEDS_REVIEW},
    ClipState.MARKING: _STOPS | {ClipState.SIGNING},
    ClipState.SIGNING: _STOPS | {ClipState.VERIFYING},
    ClipState.VERIFYING: _STOPS | {ClipState.PUBLISHED},
    ClipState.NEEDS_REVIEW: frozenset({ClipState.RECEIVED, ClipState.REFUSED}),
    ClipState.PUBLISHED: frozenset(),
    ClipState.REFUSED: frozenset(),
    ClipState.FAILED: frozenset(),
}
RESTING: Final = frozenset({ClipState.PUBLISHED, ClipState.REFUSED, ClipState.FAILED, ClipState.NEEDS_REVIEW})


def advance(current: ClipState, target: ClipState) -> ClipState:
    """Return `target` if a clip in `current` may go there; a step that runs again stays where it is.

    Raises:
        ConflictError: The state machine has no such transition.
    """
    if target is not current and target not in _NEXT[current]:
        raise ConflictError("clip_state", f"a clip that is `{current}` cannot become `{target}`")
    return target


class Use(StrEnum):
    """What of a likeness is used."""

    FACE = "face"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class DeclaredLikeness:
    """One likeness the relying party says is in the clip, and which parts of it."""

    likeness_id: LikenessId
    uses: frozenset[Use]

    def __post_init__(self) -> None:
        """Refuse a declaration that uses nothing."""
        if not self.uses:
            raise InvalidInputError("declaration_invalid", "a declared likeness names no use")


@dataclass(frozen=True, slots=True)
class Generator:
    """The software that made the clip, as C2PA's `claim_generator_info` wants it."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """Whom the clip shows, who asked for it and what for.

    Attributes:
        requester_id: The person or account, on the relying party's side, who asked for the clip.
        categories: What the content is about besides its purpose.
        parents: Published clips this one was made from; a withdrawal reaches their remixes.
    """

    requester_id: str
    purpose: str
    commercial: bool
    region: str | None
    likenesses: tuple[DeclaredLikeness, ...]
    generator: Generator
    categories: frozenset[str] = frozenset()
    parents: tuple[ClipId, ...] = ()

    def __post_init__(self) -> None:
        """Refuse duplicates and more entries than a clip can honestly have."""
        names = [likeness.likeness_id for likeness in self.likenesses]
        if len(set(names)) != len(names):
            raise InvalidInputError("declaration_invalid", "a likeness is declared twice")
        if len(names) > _MAX_LIKENESSES or len(self.parents) > _MAX_PARENTS:
            raise InvalidInputError("declaration_invalid", "the declaration names too many entries")
        if not all(is_id(parent, "clp") for parent in self.parents):
            raise InvalidInputError("declaration_invalid", "a parent is not the identifier of a clip")

    def uses_of(self, likeness_id: LikenessId) -> frozenset[Use]:
        """Return the declared uses of one likeness; empty when it is not declared."""
        return next((each.uses for each in self.likenesses if each.likeness_id == likeness_id), frozenset())


class Ruling(StrEnum):
    """What a moderator decided about a clip held for review."""

    RELEASE = "release"
    UPHOLD = "uphold"


class Sound(StrEnum):
    """Whether the clip has sound that must carry the mark."""

    AUDIBLE = "audible"
    SILENT = "silent"
    ABSENT = "absent"


class ClipConsent(StrEnum):
    """What the grants behind a published clip are worth by now."""

    STANDING = "standing"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The clip as it was handed in.

    Attributes:
        key: Where it lies in the object store until the clip comes to rest.
        seconds: Duration of the longest stream.
    """

    key: str
    sha256: str
    size: int
    seconds: float
    has_sound: bool


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """The finished file: marked, signed, read back, and lying in the store under its own hash."""

    key: str
    sha256: str
    size: int
