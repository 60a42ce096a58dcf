"""A local RFC 3161 timestamp authority for development and tests, served over HTTP on 127.0.0.1.

In: DER timestamp requests (hashes only; no content). Out: DER responses whose token carries its own chain. It
uses the host's clock and a development certificate, so its time is worth exactly as much as that clock.

Serves: RFC 3161 (TSP), RFC 5816 (ESSCertIDv2), C2PA 2.x clause 10.3.2.5 "time-stamps".
"""

import hashlib
import secrets
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from provenance.errors import KeyMaterialError
from provenance.manifests.keys import SigningIdentity
from provenance.manifests.profile import load_chain

TIMESTAMP_POLICY = "1.3.6.1.4.1.62558.99.1"
_LARGEST_REQUEST_BYTES = 64 * 1024
_REPLY_TYPE = "application/timestamp-reply"


def answer(request_der: bytes, identity: SigningIdentity, now: datetime) -> bytes:
    """Answer one timestamp request.

    Args:
        request_der: `TimeStampReq`, DER.
        identity: The authority's key and chain.
        now: The time to attest, to the second.

    Returns:
        `TimeStampResp`, DER, granted.

    Raises:
        ValueError: The request is not a timestamp request.
    """
    request = tsp.TimeStampReq.load(request_der, strict=True)
    chain = [
        asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
        for certificate in load_chain(identity.chain_pem)
    ]
    info = _token_info(request, now)
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
            "certificates": [cms.CertificateChoices(name="certificate", value=entry) for entry in chain],
            "signer_infos": [_signer_info(info, chain[0], identity)],
        }
    )
    token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
    response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
    return bytes(response.dump())


def _token_info(request: Any, now: datetime) -> bytes:  # noqa: ANN401 - asn1crypto ships no annotations
    fields: dict[str, object] = {
        "version": "v1",
        "policy": TIMESTAMP_POLICY,
        "message_imprint": request["message_imprint"],
        "serial_number": secrets.randbits(63),
        "gen_time": now.astimezone(UTC).replace(microsecond=0),
        "accuracy": {"seconds": 1},
    }
    if request["nonce"].native is not None:
        fields["nonce"] = request["nonce"].native
    return bytes(tsp.TSTInfo(fields).dump())


def _signer_info(info: bytes, leaf: Any, identity: SigningIdentity) -> Any:  # noqa: ANN401 - untyped library
    leaf_hash = hashlib.sha256(leaf.dump()).digest()
    reference = tsp.ESSCertIDv2({"hash_algorithm": {"algorithm": "sha256"}, "cert_hash": leaf_hash})
    certificate = tsp.SigningCertificateV2({"certs": [reference]})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(info).digest()]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [certificate]}),
        ]
    )
    issuer = {"issuer": leaf.issuer, "serial_number": leaf.serial_number}
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": cms.IssuerAndSerialNumber(issuer)}),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": identity.key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256())),
        }
    )


class DevelopmentTimestampAuthority:
    """Serves `answer` over HTTP while its `with` block lasts.

    Example:
        with DevelopmentTimestampAuthority(SigningIdentity.load_timestamp_authority(keys)) as authority:
            sign_file(..., timestamp_url=authority.url)
    """

    def __init__(self, identity: SigningIdentity, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"identity": identity})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @classmethod
    def load(cls, directory: Path, port: int = 0) -> "DevelopmentTimestampAuthority":
        """Make the authority of a development key folder; `KeyMaterialError` as for any identity."""
        return cls(SigningIdentity.load_timestamp_authority(directory), port)

    @property
    def url(self) -> str:
        """Where requests are sent."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve in the calling thread until it is interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    identity: ClassVar[SigningIdentity]

    def do_POST(self) -> None:
        """Answer one request; 413 when it is too long, 400 when it is no timestamp request."""
        length = int(self.headers.get("content-length", "0"))
        if length > _LARGEST_REQUEST_BYTES:
            self.send_error(413)
            return
        try:
            reply = answer(self.rfile.read(length), self.identity, datetime.now(UTC))
        except (ValueError, TypeError, KeyError, KeyMaterialError):
            self.send_error(400)
            return
        self.send_response(200)
        self.send_header("content-type", _REPLY_TYPE)
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature http.server has
        """Stay silent; requests are not worth a log line."""
