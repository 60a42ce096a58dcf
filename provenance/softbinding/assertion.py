"""Soft bindings: what ties a manifest to its content when the file's bytes no longer do.

In: the 8-byte watermark identifier or a fingerprint. Out: the `c2pa.soft-binding` assertion, and back. The
manifest is written from JSON, which has no byte strings, so the value travels as base64 text.

Serves: C2PA 2.x clause 18.10 "soft binding"; C2PA soft binding algorithm list (reverse-domain `alg`).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

SOFT_BINDING_ALG = "org.consent-provenance.watermark.1"
FINGERPRINT_ALG = "org.consent-provenance.fingerprint.1"
SOFT_BINDING_LABEL = "c2pa.soft-binding"
WATERMARK_BYTES = 8
_NAMES = {SOFT_BINDING_ALG: "watermark in picture and sound", FINGERPRINT_ALG: "fingerprint of the picture"}
_LARGEST_VALUE = 64 * 1024


@dataclass(frozen=True, slots=True)
class SoftBinding:
    """One soft binding as read from a manifest.

    Attributes:
        alg: Reverse-domain name of the algorithm.
        value: The raw value, decoded from base64.
    """

    alg: str
    value: bytes


def encode(binding: SoftBinding) -> dict[str, object]:
    """The assertion's data, ready for JSON."""
    value = base64.b64encode(binding.value).decode()
    block = {"scope": {}, "value": value}
    return {"alg": binding.alg, "name": _NAMES.get(binding.alg, binding.alg), "pad": [], "blocks": [block]}


def decode(data: object) -> tuple[SoftBinding, ...]:
    """The bindings of one assertion.

    Args:
        data: The assertion's data as parsed JSON, from anyone.

    Raises:
        ValueError: It is not a soft binding assertion.
    """
    fields = data if isinstance(data, Mapping) else {}
    alg, blocks = fields.get("alg"), fields.get("blocks")
    if not (isinstance(alg, str) and isinstance(blocks, list) and blocks):
        raise ValueError("a soft binding names no algorithm or has no blocks")
    return tuple(SoftBinding(alg, _value(block)) for block in blocks)


def _value(block: object) -> bytes:
    value = block.get("value") if isinstance(block, Mapping) else None
    if isinstance(value, str) and len(value) <= _LARGEST_VALUE:
        try:
            return base64.b64decode(value.removeprefix("b64'").removesuffix("'"), validate=True)
        except (binascii.Error, ValueError):
            return value.encode()
    if isinstance(value, list) and len(value) <= _LARGEST_VALUE:
        return bytes(value)
    raise ValueError("a soft binding's value is neither text nor bytes")
