"""Strict decoding of what strangers send: canonical base64url, and JSON objects that mean one thing only.

In: text from outside. Out: bytes or a dict, else `ValueError`. Two encodings of the same bytes, or two
members of the same name, are how two parsers come to disagree; neither is accepted.

Sources: RFC 7515 section 2 (base64url without padding), RFC 7515 section 4 and RFC 7519 section 4 (no
duplicate names), RFC 8785 (canonical JSON; the subset used here has no floating point numbers).
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode_base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url.

    Raises:
        ValueError: Any other character, padding, or unused bits that are not zero.
    """
    if not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def parse_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object whose names are all different and whose numbers are all finite.

    Raises:
        ValueError: It is anything else.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for every malformed input
    return value


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a value without floating point numbers: sorted names, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"`{name}` is no JSON number")
