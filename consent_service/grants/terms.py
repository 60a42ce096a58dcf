"""What a person agrees to: the terms of a grant, checked in full before anybody can rely on them.

In: who may use the likeness, how, where, until when, and a plain description of the intended use. Out:
`GrantTerms`, and `covers`, the order "at least as wide as". Pure.

Sources: California AB 2602 and New York Arts and Cultural Affairs Law 5-302 (a reasonably specific
description of the intended use); durations are capped at 10 years, the most any state allows for an adult's
digital replica.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from consent_service.kernel.errors import InvalidInputError
from consent_service.kernel.ids import RelyingPartyId, is_id

EVERYONE: Final = "*"
"""As a requester: everyone on the platform."""
WORLD: Final = "001"
"""As a region: the whole world (UN M49)."""
LONGEST: Final = timedelta(days=3652)
"""Ten years, with the fewest leap days ten years can have left out: never more than ten calendar years."""
PROTECTED_TOPICS: Final = frozenset({"sexual", "political", "minors"})
"""Purposes nobody can agree to here; the policies deny them in every use as well."""

_TOPIC: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REGION: Final = re.compile(r"[A-Z]{2}|001")
_REQUESTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
_MOST_ENTRIES: Final = 100
_LONGEST_CLIP: Final = 24 * 3600
_DESCRIPTION: Final = range(10, 4001)


class Use(StrEnum):
    """What of a likeness is used."""

    FACE = "face"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """The scope of one consent. Every empty set is an error, so that nothing is ever granted by omission.

    Attributes:
        relying_party_id: The relying party that may ask and generate.
        requesters: Its accounts that may use the likeness; `*` alone for everyone there.
        uses: Face, voice or both.
        purposes: Words from the platform's vocabulary, such as `entertainment`.
        commercial: Whether it may promote or sell something.
        regions: ISO 3166-1 alpha-2 codes, or `001` for the world.
        description: The intended use in plain words; its hash goes into the token.
        not_before: First instant of validity, a whole second.
        not_after: First instant outside, a whole second.
        forbidden: Topics the person rules out whatever the purpose.
        remix: Whether clips may be made from clips.
        max_seconds: Longest clip; none for no limit.
    """

    relying_party_id: RelyingPartyId
    requesters: frozenset[str]
    uses: frozenset[Use]
    purposes: frozenset[str]
    commercial: bool
    regions: frozenset[str]
    description: str
    not_before: datetime
    not_after: datetime
    forbidden: frozenset[str] = frozenset()
    remix: bool = False
    max_seconds: int | None = None

    def __post_init__(self) -> None:
        """Refuse terms that are empty, unbounded, unclear or protected.

        Raises:
            InvalidInputError: Codes `terms_invalid`, `purpose_protected`, `description_too_short`,
                `duration_too_long`.
        """
        _check_names(self)
        _check_window(self.not_before, self.not_after)
        if self.max_seconds is not None and not 0 < self.max_seconds <= _LONGEST_CLIP:
            raise _invalid("the longest clip must be between a second and a day")
        if self.purposes & PROTECTED_TOPICS:
            raise InvalidInputError("purpose_protected", "no grant can be given for a protected purpose")
        if len(self.description.strip()) not in _DESCRIPTION:
            raise InvalidInputError(
                "description_too_short", "describe the intended use in 10 to 4000 characters"
            )

    @property
    def description_sha256(self) -> str:
        """Hex SHA-256 of the description as it was shown, in UTF-8."""
        return hashlib.sha256(self.description.encode()).hexdigest()


def covers(wide: GrantTerms, narrow: GrantTerms) -> bool:
    """Tell whether `wide` allows at least all that `narrow` allows."""
    return (
        wide.relying_party_id == narrow.relying_party_id
        and (EVERYONE in wide.requesters or narrow.requesters <= wide.requesters)
        and narrow.uses <= wide.uses
        and narrow.purposes <= wide.purposes
        and narrow.commercial <= wide.commercial
        and (WORLD in wide.regions or narrow.regions <= wide.regions)
        and wide.not_before <= narrow.not_before
        and narrow.not_after <= wide.not_after
        and wide.forbidden <= narrow.forbidden
        and narrow.remix <= wide.remix
        and _within(narrow.max_seconds, wide.max_seconds)
    )


def _within(narrow: int | None, wide: int | None) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


def _check_names(terms: GrantTerms) -> None:
    if not is_id(terms.relying_party_id, "rp"):
        raise _invalid("the relying party is not written as an identifier")
    if not terms.uses:
        raise _invalid("name at least one use")
    _check_set("requester", terms.requesters - {EVERYONE}, _REQUESTER)
    if not terms.requesters or (EVERYONE in terms.requesters and len(terms.requesters) > 1):
        raise _invalid("name the requesters, or `*` alone for everyone on the platform")
    _check_set("purpose", terms.purposes, _TOPIC)
    _check_set("topic", terms.forbidden, _TOPIC)
    _check_set("region", terms.regions, _REGION)
    if not terms.purposes or not terms.regions:
        raise _invalid("name at least one purpose and one region, `001` for the world")
    if terms.purposes & terms.forbidden:
        raise _invalid("a purpose is both granted and ruled out")


def _check_set(kind: str, values: frozenset[str], pattern: re.Pattern[str]) -> None:
    if len(values) > _MOST_ENTRIES:
        raise _invalid(f"more than {_MOST_ENTRIES} entries of kind {kind}")
    if not all(pattern.fullmatch(value) for value in values):
        raise _invalid(f"a {kind} is not written as it must be")


def _check_window(not_before: datetime, not_after: datetime) -> None:
    if not_before.tzinfo is None or not_after.tzinfo is None:
        raise _invalid("a time has no time zone")
    if not_before.microsecond or not_after.microsecond:
        raise _invalid("times are whole seconds")
    if not_after <= not_before:
        raise _invalid("the grant would end before it begins")
    if not_after - not_before > LONGEST:
        raise InvalidInputError("duration_too_long", "a grant lasts ten years at most")


def _invalid(detail: str) -> InvalidInputError:
    return InvalidInputError("terms_invalid", detail)
