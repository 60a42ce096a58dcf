"""Certificates of the development PKI, in memory: who issues what, under which profile.

In: names, purposes and a validity. Out: `Issued` pairs of certificate and private key. Claim signing and
timestamping have separate roots, so that neither can stand in for the other. Everything issued here says
"DEVELOPMENT ONLY" in its subject and is refused where production is asked for.

Serves: C2PA Certificate Policy (root, issuing CA, leaf profiles); RFC 3161 clause 2.3 (timestamping purpose).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provenance.manifests.profile import CLAIM_SIGNING, DEVELOPMENT_UNIT, DOCUMENT_SIGNING, TIME_STAMPING

CERTIFICATE_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.62558.1.1")
SIGNING_PURPOSES = (CLAIM_SIGNING, DOCUMENT_SIGNING)
ROOT_VALIDITY = timedelta(days=3650)
ISSUER_VALIDITY = timedelta(days=1826)
LEAF_VALIDITY = timedelta(days=365)
_CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with the private key it speaks for; the key never shows in a repr."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def certificate_pem(self) -> str:
        """The certificate as PEM text."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self) -> str:
        """The private key as unencrypted PKCS#8 PEM text."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass(frozen=True, slots=True)
class LeafProfile:
    """What an end-entity certificate is for.

    Attributes:
        purposes: Extended key usages.
        purposes_critical: RFC 3161 demands it of timestamp authorities.
        digital_signature: Whether the key usage allows signing data.
        validity: How long it lasts.
        starts: Shift of the beginning from `now`.
    """

    purposes: tuple[x509.ObjectIdentifier, ...] = SIGNING_PURPOSES
    purposes_critical: bool = False
    digital_signature: bool = True
    validity: timedelta = LEAF_VALIDITY
    starts: timedelta = -_CLOCK_SKEW


def issue_root(name: str, now: datetime) -> Issued:
    """Make a self-signed P-384 root."""
    key = ec.generate_private_key(ec.SECP384R1())
    builder = _builder(name, key.public_key(), (now - _CLOCK_SKEW, now + ROOT_VALIDITY))
    builder = _as_authority(builder.issuer_name(_subject(name)), path_length=1)
    builder = _with_authority_key(builder, key)
    return Issued(builder.sign(key, hashes.SHA384()), key)


def issue_authority(
    name: str, issuer: Issued, purposes: Sequence[x509.ObjectIdentifier], now: datetime
) -> Issued:
    """Make a P-384 issuing CA limited to these purposes."""
    key = ec.generate_private_key(ec.SECP384R1())
    builder = _builder(name, key.public_key(), (now - _CLOCK_SKEW, now + ISSUER_VALIDITY))
    builder = _as_authority(builder.issuer_name(issuer.certificate.subject), path_length=0)
    builder = _with_purposes(builder, purposes, critical=False)
    builder = _with_authority_key(builder, issuer.key)
    return Issued(builder.sign(issuer.key, hashes.SHA384()), key)


def issue_leaf(name: str, issuer: Issued, now: datetime, profile: LeafProfile | None = None) -> Issued:
    """Make a P-256 end-entity certificate under `issuer`."""
    profile = profile or LeafProfile()
    key = ec.generate_private_key(ec.SECP256R1())
    start = now + profile.starts
    builder = _builder(name, key.public_key(), (start, start + profile.validity + _CLOCK_SKEW))
    builder = builder.issuer_name(issuer.certificate.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_leaf_usage(profile), critical=True)
    builder = _with_purposes(builder, profile.purposes, critical=profile.purposes_critical)
    builder = _with_authority_key(builder, issuer.key)
    return Issued(builder.sign(issuer.key, hashes.SHA384()), key)


def timestamp_profile() -> LeafProfile:
    """The profile of a timestamp authority's leaf: timestamping alone, and critical."""
    return LeafProfile(
        purposes=(TIME_STAMPING,), purposes_critical=True, validity=ISSUER_VALIDITY - _CLOCK_SKEW * 2
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Consent Provenance"),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, DEVELOPMENT_UNIT),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0].replace(microsecond=0))
        .not_valid_after(validity[1].replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _with_authority_key(
    builder: x509.CertificateBuilder, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(identifier, critical=False)


def _as_authority(builder: x509.CertificateBuilder, *, path_length: int) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(_key_usage(signs_certificates=True, signs_data=False), critical=True)


def _with_purposes(
    builder: x509.CertificateBuilder, purposes: Sequence[x509.ObjectIdentifier], *, critical: bool
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    policy = x509.CertificatePolicies([x509.PolicyInformation(CERTIFICATE_POLICY, None)])
    return builder.add_extension(policy, critical=False)


def _leaf_usage(profile: LeafProfile) -> x509.KeyUsage:
    return _key_usage(signs_certificates=False, signs_data=profile.digital_signature)


def _key_usage(*, signs_certificates: bool, signs_data: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs_data,
        # A leaf barred from signing data still needs one usage bit, or the extension would be empty.
        content_commitment=not signs_data and not signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
