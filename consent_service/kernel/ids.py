"""Opaque identifiers: a readable prefix and 130 random bits, never derived from a person.

In: nothing. Out: strings such as `grt_6q3k...`, safe in URLs, logs and manifests.
"""

import re
import secrets
from typing import Final, NewType

PersonId = NewType("PersonId", str)
LikenessId = NewType("LikenessId", str)
RelyingPartyId = NewType("RelyingPartyId", str)
ChallengeId = NewType("ChallengeId", str)
CameoId = NewType("CameoId", str)
GrantId = NewType("GrantId", str)
ClipId = NewType("ClipId", str)
CaseId = NewType("CaseId", str)

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 symbols, no look-alikes
_LENGTH: Final = 26  # 130 bits
_PATTERN: Final = re.compile(r"^[a-z]{2,4}_[a-z2-9]{26}$")


def new_id(prefix: str) -> str:
    """Return a fresh identifier `prefix_<26 symbols>`."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def is_id(value: str, prefix: str) -> bool:
    """Tell whether `value` has the shape of an identifier with this prefix."""
    return value.startswith(f"{prefix}_") and _PATTERN.fullmatch(value) is not None
