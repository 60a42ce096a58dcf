"""Forgeries: none passes here; joserfc, told to be strict, is asked for a second opinion."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws as second
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from joserfc.jwt import JWTClaimsRegistry

from consent_service.grants import tokens
from consent_service.grants.grant_token import GRANT_TYPE, verify_grant
from consent_service.grants.keys import SigningKeys, public_keys

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ISSUER, AUDIENCE = "https://consent.example", "rp_studio"
Forge = Callable[[SigningKeys], str]


def claims(**changes: Any) -> dict[str, Any]:
    now = int(NOW.timestamp())
    facts = {
        "iss": ISSUER,
        "sub": "lik_ada",
        "aud": [AUDIENCE],
        "azp": AUDIENCE,
        "client_id": "*",
        "jti": "grt_1",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "lg": {"v": 1, "uses": ["face"]},
        "status": {"status_list": {"idx": 5, "uri": "https://consent.example/v1/status-lists/0"}},
        "consent": {"record_id": "rec_1", "receipt_sha256": "00"},
    }
    return {name: value for name, value in (facts | changes).items() if value is not None}


def encode(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_raw(header: Any, payload: Any, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign whatever header and payload, as an attacker with a key of their own would."""
    signing_input = f"{encode(header)}.{encode(payload)}"
    native = ECKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    algorithm = second.JWSRegistry.algorithms["ES256"]
    return f"{signing_input}.{encode(algorithm.sign(signing_input.encode(), native))}"


def sign_hmac(header: Any, payload: Any, secret: bytes) -> str:
    signing_input = f"{encode(header)}.{encode(payload)}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


def head(keys: SigningKeys, **changes: Any) -> dict[str, Any]:
    header = {"alg": "ES256", "typ": GRANT_TYPE, "kid": keys.kid} | changes
    return {name: value for name, value in header.items() if value is not None}


def own(keys: SigningKeys, *, header: dict[str, Any] | None = None, **payload: Any) -> str:
    """Sign with the service's own key: what an honest signature over a bad token would be."""
    return sign_raw(head(keys, **(header or {})), claims(**payload), keys.private_key)


def good(keys: SigningKeys) -> str:
    return tokens.sign(claims(), typ=GRANT_TYPE, keys=keys)


def parts(keys: SigningKeys) -> list[str]:
    return good(keys).split(".")


def stranger() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(keys: SigningKeys) -> bytes:
    return keys.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der(keys: SigningKeys) -> bytes:
    return keys.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def embedded(keys: SigningKeys) -> str:
    key = stranger()
    jwk = ECKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return sign_raw(head(keys, jwk=jwk.as_dict(private=False)), claims(), key)


def tampered(keys: SigningKeys) -> str:
    first, _, last = parts(keys)
    return f"{first}.{encode(claims(sub='lik_bob'))}.{last}"


def flipped(keys: SigningKeys) -> str:
    first, middle, last = parts(keys)
    return f"{first}.{middle}.{'A' if last[0] != 'A' else 'B'}{last[1:]}"


def der_signature(keys: SigningKeys) -> str:
    first, middle, _ = parts(keys)
    return (
        f"{first}.{middle}.{encode(keys.private_key.sign(f'{first}.{middle}'.encode(), ec.ECDSA(SHA256())))}"
    )


def unsigned(keys: SigningKeys, **header: Any) -> str:
    return f"{encode(head(keys, **header))}.{encode(claims())}."


def raw_header(keys: SigningKeys, text: bytes) -> str:
    return sign_raw(text, claims(), keys.private_key)


def raw_payload(keys: SigningKeys, text: bytes) -> str:
    return sign_raw(head(keys), text, keys.private_key)


def confused(key_of: Callable[[SigningKeys], bytes], **header: Any) -> Forge:
    return lambda keys: sign_hmac(head(keys, **({"alg": "HS256"} | header)), claims(), key_of(keys))


SECOND_SPARES = {
    # What joserfc takes although the grant profile does not; each is refused here.
    "crit empty",
    "extra header member",
    "duplicate header member",
    "duplicate claim",
    "jku",
    "x5u",
    "x5c",
    "embedded key, good signature",
    "scope version unknown",
    "audience is a text",
    "azp is another platform",
    "no status",
    "status without address",
    "negative index",
    "no consent",
    "no scope",
    "no grant id",
    "expiry is a fraction",
}

FORGERIES: dict[str, tuple[Forge, str]] = {
    "alg none": (lambda k: unsigned(k, alg="none"), "token_algorithm_refused"),
    "alg None": (lambda k: unsigned(k, alg="None"), "token_algorithm_refused"),
    "no alg": (lambda k: unsigned(k, alg=None), "token_algorithm_refused"),
    "alg none with a signature": (lambda k: own(k, header={"alg": "none"}), "token_algorithm_refused"),
    "signature cut off": (lambda k: ".".join([*parts(k)[:2], ""]), "token_signature_invalid"),
    "HS256 with the public key in PEM": (confused(public_pem), "token_algorithm_refused"),
    "HS256 with the public key in DER": (confused(public_der), "token_algorithm_refused"),
    "HS256 with an empty key": (confused(lambda _: b""), "token_algorithm_refused"),
    "HMAC that calls itself ES256": (confused(public_der, alg="ES256"), "token_signature_invalid"),
    "alg in small letters": (lambda k: own(k, header={"alg": "es256"}), "token_algorithm_refused"),
    "alg of another curve": (lambda k: own(k, header={"alg": "ES384"}), "token_algorithm_refused"),
    "alg is a list": (lambda k: own(k, header={"alg": ["ES256"]}), "token_algorithm_refused"),
    "crit": (lambda k: own(k, header={"crit": ["exp"]}), "token_header_refused"),
    "crit of something unknown": (
        lambda k: own(k, header={"crit": ["b64"], "b64": False}),
        "token_header_refused",
    ),
    "crit empty": (lambda k: own(k, header={"crit": []}), "token_header_refused"),
    "embedded key": (embedded, "token_header_refused"),
    "embedded key, good signature": (
        lambda k: own(k, header={"jwk": dict(k.jwks["keys"][0])}),
        "token_header_refused",
    ),
    "jku": (lambda k: own(k, header={"jku": "https://evil.example/keys"}), "token_header_refused"),
    "x5u": (lambda k: own(k, header={"x5u": "https://evil.example/cert"}), "token_header_refused"),
    "x5c": (lambda k: own(k, header={"x5c": ["MII="]}), "token_header_refused"),
    "extra header member": (lambda k: own(k, header={"cty": "x"}), "token_header_refused"),
    "unknown kid": (lambda k: own(k, header={"kid": "nobody"}), "token_key_unknown"),
    "no kid": (lambda k: own(k, header={"kid": None}), "token_header_refused"),
    "kid is a path": (lambda k: own(k, header={"kid": "../../dev/null"}), "token_key_unknown"),
    "kid is a number": (lambda k: own(k, header={"kid": 1}), "token_key_unknown"),
    "key of a stranger": (lambda k: sign_raw(head(k), claims(), stranger()), "token_signature_invalid"),
    "the other published key": (
        lambda k: own(k, header={"kid": k.jwks["keys"][1]["kid"]}),
        "token_signature_invalid",
    ),
    "type of a plain JWT": (lambda k: own(k, header={"typ": "JWT"}), "token_type_wrong"),
    "type of a status list": (lambda k: own(k, header={"typ": "statuslist+jwt"}), "token_type_wrong"),
    "type in capitals": (lambda k: own(k, header={"typ": GRANT_TYPE.upper()}), "token_type_wrong"),
    "no type": (lambda k: own(k, header={"typ": None}), "token_type_wrong"),
    "tampered payload": (tampered, "token_signature_invalid"),
    "flipped signature": (flipped, "token_signature_invalid"),
    "signature of zeros": (
        lambda k: ".".join([*parts(k)[:2], encode(b"\0" * 64)]),
        "token_signature_invalid",
    ),
    "signature in DER": (der_signature, "token_signature_invalid"),
    "signature too long": (lambda k: good(k) + "AAAA", "token_signature_invalid"),
    "trailing bits": (lambda k: _with_trailing_bits(good(k)), "token_malformed"),
    "padded": (lambda k: good(k) + "==", "token_malformed"),
    "blank within": (lambda k: good(k)[:-5] + "\n" + good(k)[-5:], "token_malformed"),
    "standard alphabet": (lambda k: "+/" + good(k)[2:], "token_malformed"),
    "two parts": (lambda k: ".".join(parts(k)[:2]), "token_malformed"),
    "four parts": (lambda k: good(k) + ".e30", "token_malformed"),
    "five parts": (lambda k: good(k) + ".e30.e30", "token_malformed"),
    "empty": (lambda _: "", "token_malformed"),
    "JSON serialisation": (lambda k: json.dumps({"payload": parts(k)[1]}), "token_malformed"),
    "header is a list": (lambda k: raw_header(k, b'["ES256"]'), "token_malformed"),
    "header is no JSON": (lambda k: raw_header(k, b"ES256"), "token_malformed"),
    "header too deep": (lambda k: raw_header(k, b"[" * 100_000), "token_malformed"),
    "duplicate header member": (
        lambda k: raw_header(
            k, f'{{"alg":"none","alg":"ES256","typ":"{GRANT_TYPE}","kid":"{k.kid}"}}'.encode()
        ),
        "token_malformed",
    ),
    "duplicate claim": (
        lambda k: raw_payload(k, b'{"sub":"lik_bob",' + json.dumps(claims()).encode()[1:]),
        "token_malformed",
    ),
    "not a number": (
        lambda k: raw_payload(k, json.dumps(claims(exp=float("nan"))).encode()),
        "token_malformed",
    ),
    "payload is a list": (lambda k: raw_payload(k, b"[]"), "token_malformed"),
    "expired": (lambda k: own(k, exp=int(NOW.timestamp())), "token_expired"),
    "not yet valid": (lambda k: own(k, nbf=int(NOW.timestamp()) + 60), "token_not_yet_valid"),
    "issued in the future": (lambda k: own(k, iat=int(NOW.timestamp()) + 60), "token_not_yet_valid"),
    "no expiry": (lambda k: own(k, exp=None), "token_claims_invalid"),
    "no begin": (lambda k: own(k, nbf=None), "token_claims_invalid"),
    "no date of issue": (lambda k: own(k, iat=None), "token_claims_invalid"),
    "expiry is a text": (lambda k: own(k, exp="9999999999"), "token_claims_invalid"),
    "expiry is a fraction": (lambda k: own(k, exp=9999999999.5), "token_claims_invalid"),
    "begin is true": (lambda k: own(k, exp=int(NOW.timestamp()) + 9, nbf=True), "token_claims_invalid"),
    "another issuer": (lambda k: own(k, iss="https://evil.example"), "token_issuer_wrong"),
    "no issuer": (lambda k: own(k, iss=None), "token_issuer_wrong"),
    "another audience": (lambda k: own(k, aud=["rp_rival"], azp="rp_rival"), "token_audience_wrong"),
    "no audience": (lambda k: own(k, aud=None), "token_audience_wrong"),
    "audience is a text": (lambda k: own(k, aud=AUDIENCE), "token_audience_wrong"),
    "azp is another platform": (lambda k: own(k, azp="rp_rival"), "token_claims_invalid"),
    "no scope": (lambda k: own(k, lg=None), "token_claims_invalid"),
    "scope version unknown": (lambda k: own(k, lg={"v": 2}), "token_claims_invalid"),
    "no status": (lambda k: own(k, status=None), "token_claims_invalid"),
    "status without address": (lambda k: own(k, status={"status_list": {"idx": 1}}), "token_claims_invalid"),
    "negative index": (
        lambda k: own(k, status={"status_list": {"idx": -1, "uri": "u"}}),
        "token_claims_invalid",
    ),
    "no consent": (lambda k: own(k, consent=None), "token_claims_invalid"),
    "no subject": (lambda k: own(k, sub=None), "token_claims_invalid"),
    "no grant id": (lambda k: own(k, jti=None), "token_claims_invalid"),
}


def _with_trailing_bits(token: str) -> str:
    """Return the same bytes in another spelling: 64 bytes leave four unused bits in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def second_opinion(token: str, keys: SigningKeys) -> bool:
    """Tell whether joserfc accepts the token, as strictly as it can be told to."""
    key_set = KeySet.import_key_set({"keys": [dict(key) for key in keys.jwks["keys"]]})
    rules = JWTClaimsRegistry(
        now=lambda: int(NOW.timestamp()),
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
        nbf={"essential": True},
        iat={"essential": True},
    )
    try:
        read = second.deserialize_compact(token, key_set, algorithms=["ES256"])
        payload = json.loads(read.payload)
        if read.headers().get("typ") != GRANT_TYPE or not isinstance(payload, dict):
            return False
        rules.validate(payload)
    except (JoseError, ValueError, RecursionError):
        return False
    return True


def verdict(token: str, keys: SigningKeys, now: datetime = NOW) -> Any:
    return verify_grant(token, keys=public_keys(keys.jwks), issuer=ISSUER, audience=AUDIENCE, now=now)


def test_a_genuine_token_is_accepted_here_and_by_the_second_opinion(keys: SigningKeys) -> None:
    outcome = verdict(good(keys), keys)
    assert (outcome.valid, outcome.reason) == (True, "valid")
    assert outcome.claims.grant_id == "grt_1"
    assert outcome.claims.status_index == 5
    assert second_opinion(good(keys), keys)


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_passes(name: str, keys: SigningKeys) -> None:
    forge, reason = FORGERIES[name]
    token = forge(keys)
    outcome = verdict(token, keys)
    assert (outcome.valid, outcome.claims, outcome.reason) == (False, None, reason)
    assert second_opinion(token, keys) == (name in SECOND_SPARES)


def test_time_is_judged_to_the_second(keys: SigningKeys) -> None:
    token = good(keys)
    assert verdict(token, keys, NOW + timedelta(seconds=3599)).valid
    assert verdict(token, keys, NOW + timedelta(seconds=3600)).reason == "token_expired"
    assert verdict(token, keys, NOW - timedelta(seconds=1)).reason == "token_not_yet_valid"


def test_an_oversized_token_is_refused_before_it_is_read(keys: SigningKeys) -> None:
    assert verdict("A" * (tokens.LONGEST_TOKEN + 1), keys).reason == "token_malformed"
