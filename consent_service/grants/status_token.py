"""Token Status List: two bits for each grant, compressed, signed, and read back by anybody.

In: the entries that are not valid. Out: a `statuslist+jwt`; and back, the status at an index. Pure.

Source: draft-ietf-oauth-status-list, sections 4 (bit packing, least significant first), 5 (the token) and 7
(status values). Lists live a minute, so that a client cut off from the service stops trusting what it holds.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from consent_service.grants import tokens
from consent_service.grants.encoding import decode_base64url, encode_base64url
from consent_service.grants.keys import PublicKeys, SigningKeys

STATUS_TYPE: Final = "statuslist+jwt"
SHARD_ENTRIES: Final = 1 << 20
BITS: Final = 2
TTL_SECONDS: Final = 15
LIFE_SECONDS: Final = 60
CLOCK_SKEW_SECONDS: Final = 10  # a reader's clock may be behind by so much; being ahead only fails closed
_PER_BYTE: Final = 8 // BITS
_MASK: Final = (1 << BITS) - 1
_SHARD_BYTES: Final = SHARD_ENTRIES // _PER_BYTE
_FASTEST: Final = 1  # zlib level: a tenth of the time of the default, 1.3 times the size


class Status(IntEnum):
    """Values registered for status lists; 3 is for applications and unused here."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


@dataclass(frozen=True, slots=True)
class StatusList:
    """A verified list, or why it is none.

    Attributes:
        packed: Bytes of two-bit entries; none when the token was refused.
        expires_at: First second at which nobody may rely on it.
    """

    packed: bytes | None
    expires_at: int
    reason: str | None

    def at(self, index: int) -> int | None:
        """Return the status value at an index; None outside the list."""
        if self.packed is None or not 0 <= index < len(self.packed) * _PER_BYTE:
            return None
        return (self.packed[index // _PER_BYTE] >> (index % _PER_BYTE * BITS)) & _MASK


def compress(entries: Iterable[tuple[int, int]]) -> str:
    """Return the `lst` claim of one shard.

    Args:
        entries: Index and status of each entry that is not valid.
    """
    packed = bytearray(_SHARD_BYTES)
    for index, status in entries:
        packed[index // _PER_BYTE] |= status << (index % _PER_BYTE * BITS)
    return encode_base64url(zlib.compress(bytes(packed), _FASTEST))


def sign_list(lst: str, *, uri: str, now: datetime, keys: SigningKeys) -> str:
    """Return the signed list, issued at `now`."""
    issued = int(now.timestamp())
    claims = {
        "sub": uri,
        "iat": issued,
        "exp": issued + LIFE_SECONDS,
        "ttl": TTL_SECONDS,
        "status_list": {"bits": BITS, "lst": lst},
    }
    return tokens.sign(claims, typ=STATUS_TYPE, keys=keys)


def read_list(token: str, *, uri: str, keys: PublicKeys, now: datetime) -> StatusList:
    """Verify a list for the address it was asked from.

    1. Header, signature and shape.
    2. `sub` is the address; it has been issued and has not expired. A list without an end is refused.
    3. Two bits for each entry, and no more of them than a shard has.
    """
    signed = tokens.verify(token, typ=STATUS_TYPE, keys=keys)
    if signed.claims is None:
        return StatusList(None, 0, signed.reason)
    claims, moment = signed.claims, now.timestamp()
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("sub") != uri:
        return StatusList(None, 0, "status_list_wrong")
    if (
        type(issued) is not int
        or type(expires) is not int
        or moment + CLOCK_SKEW_SECONDS < issued
        or expires <= moment
    ):
        return StatusList(None, 0, "status_list_expired")
    packed = _unpack(claims.get("status_list"))
    if packed is None:
        return StatusList(None, 0, "status_list_malformed")
    return StatusList(packed, expires, None)


def _unpack(member: object) -> bytes | None:
    """Inflate the list, within the size of a shard: a small token must not unfold to gigabytes."""
    if (
        not isinstance(member, Mapping)
        or member.get("bits") != BITS
        or not isinstance(member.get("lst"), str)
    ):
        return None
    document: Mapping[str, Any] = member
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(decode_base64url(document["lst"]), _SHARD_BYTES + 1)
    except (ValueError, zlib.error):
        return None
    return packed if inflater.eof and len(packed) <= _SHARD_BYTES else None
