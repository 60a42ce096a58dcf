"""Signs tokens and verifies them strictly: the only module that touches python-jose.

In: claims and a key, or a token from a stranger and public keys. Out: a compact JWS, or a verdict with a
reason. python-jose on its own accepts more than a grant may be: a public key as an HMAC secret, an empty key,
an unknown `crit`. So the header is judged here, to the letter, before python-jose sees the token, and it is
given one algorithm and one ready-made key.

Sources: RFC 7515 (JWS), RFC 7518 section 3.4 (ES256), RFC 8725 (JWT best current practices).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from jose.exceptions import JOSEError

from consent_service.grants.encoding import canonical, decode_base64url, parse_object
from consent_service.grants.keys import ALGORITHM, PublicKeys, SigningKeys

LONGEST_TOKEN: Final = 1 << 20  # a status list of 10 million entries has 140 KB
_SIGNATURE_BYTES: Final = 64
_DANGEROUS: Final = ("crit", "jku", "jwk", "x5u", "x5c")
_MEMBERS: Final = {"alg", "typ", "kid"}


@dataclass(frozen=True, slots=True)
class Signed:
    """Outcome of verifying a signature.

    Attributes:
        claims: The payload, only when the signature is good.
        reason: Why not, as a code; none when the signature is good.
    """

    claims: Mapping[str, Any] | None
    reason: str | None


def sign(claims: Mapping[str, Any], *, typ: str, keys: SigningKeys) -> str:
    """Return a compact JWS over the canonical JSON of the claims."""
    key = jwk.construct(_ready(keys.private_key), ALGORITHM)
    headers = {"typ": typ, "kid": keys.kid}
    return str(jws.sign(canonical(claims), key, headers=headers, algorithm=ALGORITHM))


def verify(token: str, *, typ: str, keys: PublicKeys) -> Signed:
    """Verify the signature of a token that claims to be of type `typ`; says nothing about its claims.

    1. It has three parts of canonical base64url, within the size limit.
    2. The header is one JSON object; `crit`, `jku`, `jwk`, `x5u`, `x5c` and any other
       member are refused.
    3. `alg` is exactly ES256, `typ` exactly the expected one, `kid` one of the given keys.
    4. The signature is 64 bytes and verifies under that one key with that one algorithm.
    5. The payload is one JSON object.
    """
    # 1.
    parts = token.split(".")
    if len(token) > LONGEST_TOKEN or len(parts) != len(("header", "payload", "signature")):
        return _refused("token_malformed")
    try:
        header_bytes, payload, signature = (decode_base64url(part) for part in parts)
        # 2.
        header = parse_object(header_bytes)
    except ValueError:
        return _refused("token_malformed")
    # 3.
    if reason := _judge_header(header, typ, keys):
        return _refused(reason)
    # 4.
    if len(signature) != _SIGNATURE_BYTES or not _verifies(token, keys[header["kid"]]):
        return _refused("token_signature_invalid")
    # 5.
    try:
        return Signed(parse_object(payload), None)
    except ValueError:
        return _refused("token_malformed")


def _judge_header(header: Mapping[str, Any], typ: str, keys: PublicKeys) -> str | None:
    """Return what is wrong with a header, or None."""
    if any(name in header for name in _DANGEROUS):
        return "token_header_refused"
    if header.get("alg") != ALGORITHM:
        return "token_algorithm_refused"
    if header.get("typ") != typ:
        return "token_type_wrong"
    if set(header) != _MEMBERS:
        return "token_header_refused"
    kid = header["kid"]
    return None if isinstance(kid, str) and kid in keys else "token_key_unknown"


def _verifies(token: str, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        jws.verify(token, jwk.construct(_ready(key), ALGORITHM), algorithms=[ALGORITHM])
    except JOSEError:
        return False
    return True


def _ready(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> Any:  # noqa: ANN401  # see below
    """Pass a ready-made key: python-jose takes it, only its stubs do not say so."""
    return key


def _refused(reason: str) -> Signed:
    return Signed(None, reason)
