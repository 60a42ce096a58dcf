"""Principals and API keys as values: what a key looks like and how it is compared.

In: the text of an `Authorization` header. Out: a parsed key, or none; a digest that is safe to store. The
secret carries 256 random bits, so one unsalted SHA-256 is enough; there is nothing to guess.
"""

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, get_args

Role = Literal["person", "relying_party", "moderator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
ID_PREFIXES: Final[dict[Role, str]] = {
    "person": "per",
    "relying_party": "rp",
    "moderator": "mod",
    "admin": "adm",
}
KEY_PREFIX: Final = "csk"
_KEY: Final = re.compile(r"(csk_[a-z2-9]{26})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, once known."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key `csk_<id>_<secret>` in memory; the secret shows in no repr."""

    id: str
    secret: str = field(repr=False)

    def text(self) -> str:
        """Return the key as its owner keeps it; shown once."""
        return f"{self.id}_{self.secret}"

    def digest(self) -> bytes:
        """Return what is stored instead of the secret."""
        return sha256(self.secret.encode()).digest()

    def matches(self, digest: bytes) -> bool:
        """Compare with a stored digest in constant time."""
        return hmac.compare_digest(self.digest(), digest)


def parse_key(text: str) -> ApiKey | None:
    """Return the key in `text`, or None when it has not the shape of one."""
    found = _KEY.fullmatch(text)
    return ApiKey(found[1], found[2]) if found else None
