"""Our own check of a claim signer's certificate: the rules c2pa-rs does not enforce.

In: a PEM or DER chain, leaf first, and an instant. Out: a tuple of reason codes, empty when the leaf is fit
to sign claims. A leaf meant only for timestamping or for e-mail, or one without `digitalSignature`, reads
"Trusted" with the library alone; this module is what refuses it.

Serves: C2PA Certificate Policy (leaf profile) and C2PA 2.x clause 14.5 "X.509 certificates".
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from provenance.errors import KeyMaterialError

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
ACCEPTED_PURPOSES = frozenset({CLAIM_SIGNING, DOCUMENT_SIGNING})
FORBIDDEN_PURPOSES = frozenset(
    {TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)
DEVELOPMENT_UNIT = "DEVELOPMENT ONLY - proves nothing"
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_SMALLEST_RSA_BITS = 2048
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


def load_chain(chain_pem: str) -> tuple[x509.Certificate, ...]:
    """Parse a PEM chain, leaf first.

    Raises:
        KeyMaterialError: No certificate could be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(chain_pem.encode()))
    except ValueError as error:
        raise KeyMaterialError("the certificate chain is not readable PEM") from error


def leaf_faults(leaf: x509.Certificate) -> tuple[str, ...]:
    """Reason codes why this leaf may not sign claims, whatever the date.

    Returns:
        Any of `leaf_is_authority`, `leaf_key_usage`, `leaf_purpose`, `leaf_key_type`.
    """
    checks = (
        ("leaf_is_authority", _is_end_entity(leaf)),
        ("leaf_key_usage", _may_sign(leaf)),
        ("leaf_purpose", _has_signing_purpose(leaf)),
        ("leaf_key_type", _has_strong_key(leaf)),
    )
    return tuple(code for code, passed in checks if not passed)


def validity_faults(leaf: x509.Certificate, now: datetime) -> tuple[str, ...]:
    """`leaf_expired` or `leaf_not_yet_valid` at the given instant, or nothing."""
    if now > leaf.not_valid_after_utc:
        return ("leaf_expired",)
    if now < leaf.not_valid_before_utc:
        return ("leaf_not_yet_valid",)
    return ()


def require_fit_to_sign(chain_pem: str, now: datetime) -> None:
    """Refuse a chain whose leaf is outside the profile or its validity.

    Raises:
        KeyMaterialError: The reason codes are named in the message.
    """
    leaf = load_chain(chain_pem)[0]
    faults = leaf_faults(leaf) + validity_faults(leaf, now)
    if faults:
        raise KeyMaterialError(f"the signing certificate is outside its profile: {', '.join(faults)}")


def is_development(leaf: x509.Certificate) -> bool:
    """Whether the subject says that this certificate came from the development PKI."""
    units = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == DEVELOPMENT_UNIT for unit in units)


def anchored_in(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> bool:
    """Whether the chain, followed upwards by its signatures, ends in one of these anchors.

    The library keeps claim and timestamp anchors in one list; this keeps the two purposes apart.
    """
    if not chain:
        return False
    current, remaining = chain[0], list(chain[1:])
    while True:
        if any(current == anchor or _issued_by(current, anchor) for anchor in anchors):
            return True
        issuer = next((candidate for candidate in remaining if _issued_by(current, candidate)), None)
        if issuer is None:
            return False
        remaining.remove(issuer)
        current = issuer


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if not _is_authority(issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def _is_end_entity(leaf: x509.Certificate) -> bool:
    constraints = _extension(leaf, x509.BasicConstraints)
    return constraints is None or not constraints.ca


def _may_sign(leaf: x509.Certificate) -> bool:
    usage = _extension(leaf, x509.KeyUsage)
    return usage is not None and usage.digital_signature and not usage.key_cert_sign


def _has_signing_purpose(leaf: x509.Certificate) -> bool:
    purposes = set(_extension(leaf, x509.ExtendedKeyUsage) or ())
    return bool(purposes & ACCEPTED_PURPOSES) and not purposes & FORBIDDEN_PURPOSES


def _has_strong_key(leaf: x509.Certificate) -> bool:
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _CURVES
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _SMALLEST_RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey)
