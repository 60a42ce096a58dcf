"""Reads the few things from a manifest store that the library's JSON leaves out: labels and certificates.

In: the bytes of a C2PA manifest store, possibly hostile. Out: the active manifest's label, and the
certificate chains inside its COSE signature (the signer's, and the timestamp authority's). Everything is
bounded by the input; anything odd is a `ValueError`.

Serves: ISO 19566-5 (JUMBF boxes), C2PA 2.x clause 11.1 (manifest store), RFC 9052/9360 (COSE, x5chain),
RFC 8949 (CBOR).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from asn1crypto import cms
from cryptography import x509

from provenance.manifests import cbor

_X5CHAIN = (33, "x5chain")
_TIMESTAMP_HEADERS = ("sigTst2", "sigTst")
_BOX_HEADER, _LONG_BOX_HEADER = 8, 16
_DESCRIPTION_TYPE_BYTES = 16
_HAS_LABEL = 0x02


@dataclass(frozen=True, slots=True)
class Box:
    """One JUMBF box: its four-character type and its content without the header."""

    kind: bytes
    content: memoryview


def boxes(data: memoryview) -> Iterator[Box]:
    """The boxes that stand side by side in `data`.

    Raises:
        ValueError: A box is cut short or claims an impossible length.
    """
    position = 0
    while position < len(data):
        if len(data) - position < _BOX_HEADER:
            raise ValueError("a box header is cut short")
        length, kind = struct.unpack_from(">I4s", data, position)
        header = _BOX_HEADER
        if length == 1:
            header = _LONG_BOX_HEADER
            length = int.from_bytes(data[position + _BOX_HEADER : position + header], "big")
        end = len(data) if length == 0 else position + length
        if end > len(data) or end < position + header:
            raise ValueError("a box is longer than what holds it")
        yield Box(kind, data[position + header : end])
        position = end


def label(superbox: Box) -> str:
    """The label in a superbox's description box; empty when it has none."""
    description = next(boxes(superbox.content), None)
    if (
        description is None
        or description.kind != b"jumd"
        or len(description.content) <= _DESCRIPTION_TYPE_BYTES
    ):
        raise ValueError("a superbox has no description")
    if not description.content[_DESCRIPTION_TYPE_BYTES] & _HAS_LABEL:
        return ""
    return (
        bytes(description.content[_DESCRIPTION_TYPE_BYTES + 1 :]).split(b"\0", 1)[0].decode(errors="replace")
    )


def active_label(store: bytes) -> str:
    """The label (URN) of the active manifest: the last one in the store.

    Raises:
        ValueError: The bytes are not a manifest store.
    """
    return label(_manifests(store)[-1])


def signature_of(store: bytes, manifest_id: str) -> "Signature":
    """The COSE signature of one manifest.

    Raises:
        ValueError: The store is malformed or holds no such manifest or signature.
    """
    manifest = next((box for box in _manifests(store) if label(box) == manifest_id), None)
    if manifest is None:
        raise ValueError("the store holds no such manifest")
    for box in _superboxes(manifest):
        if label(box) == "c2pa.signature":
            content = next((part for part in boxes(box.content) if part.kind == b"cbor"), None)
            if content is not None:
                return _parse_signature(bytes(content.content))
    raise ValueError("the manifest has no signature")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a COSE signature carries besides its value.

    Attributes:
        chain: The signer's certificates, leaf first.
        timestamp_chain: The timestamp authority's certificates, signer first; empty without a timestamp.
    """

    chain: tuple[x509.Certificate, ...]
    timestamp_chain: tuple[x509.Certificate, ...]


def _manifests(store: bytes) -> list[Box]:
    root = next(boxes(memoryview(store)), None)
    if root is None or root.kind != b"jumb" or label(root) != "c2pa":
        raise ValueError("the bytes are not a manifest store")
    manifests = _superboxes(root)
    if not manifests:
        raise ValueError("the manifest store is empty")
    return manifests


def _superboxes(parent: Box) -> list[Box]:
    return [box for box in boxes(parent.content) if box.kind == b"jumb"]


def _parse_signature(cose: bytes) -> Signature:
    match cbor.decode(cose):
        case [bytes(wrapped), dict(unprotected), *_]:
            protected = cbor.decode(wrapped) if wrapped else {}
            headers = protected if isinstance(protected, dict) else {}
            return Signature(_x5chain(headers, unprotected), _timestamp_chain(unprotected))
        case _:
            raise ValueError("the signature is not a COSE_Sign1 message")


def _x5chain(
    protected: dict[object, object], unprotected: dict[object, object]
) -> tuple[x509.Certificate, ...]:
    for headers in (protected, unprotected):
        for name in _X5CHAIN:
            value = headers.get(name)
            entries = value if isinstance(value, list) else [value]
            chain = [entry for entry in entries if isinstance(entry, bytes)]
            if chain and len(chain) == len(entries):
                return tuple(x509.load_der_x509_certificate(entry) for entry in chain)
    raise ValueError("the signature carries no certificates")


def _timestamp_chain(unprotected: dict[object, object]) -> tuple[x509.Certificate, ...]:
    for name in _TIMESTAMP_HEADERS:
        header = unprotected.get(name)
        tokens = header.get("tstTokens") if isinstance(header, dict) else None
        if isinstance(tokens, list) and tokens and isinstance(tokens[0], dict):
            token = tokens[0].get("val")
            return _token_certificates(token) if isinstance(token, bytes) else ()
    return ()


def _token_certificates(token: bytes) -> tuple[x509.Certificate, ...]:
    signed = cms.ContentInfo.load(token)["content"]
    serial = signed["signer_infos"][0]["sid"].native["serial_number"]
    certificates = [x509.load_der_x509_certificate(choice.chosen.dump()) for choice in signed["certificates"]]
    return tuple(sorted(certificates, key=lambda certificate: certificate.serial_number != serial))
