"""The signer port: turns to-be-signed bytes into a signature, near or far.

In: the COSE to-be-signed bytes (about 2 KB; never the clip). Out: a raw signature in COSE form (for ES256 the
64 bytes `r || s`). Two implementations: `LocalSigner` holds the key in this process, `SocketSigner` asks
another process over a Unix socket, where `SignerServer` holds it; a network HSM or KMS would be a third.

Wire of the socket: request = 4-byte length (big endian) + bytes; reply = 1 status byte (0 good) + 4-byte
length + signature. One request per connection.

Serves: C2PA 2.x clause 13.2 (COSE signatures), RFC 9053 clause 2.1 (ECDSA encoding).
"""

import os
import socket
import socketserver
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from provenance.errors import KeyMaterialError, SignerUnavailableError
from provenance.manifests.keys import SIGNER_CHAIN, SigningIdentity, read_text

_COORDINATE_BYTES = 32
_LARGEST_REQUEST_BYTES = 1024 * 1024
_LARGEST_SIGNATURE_BYTES = 4096
_HEADER = struct.Struct(">I")
_GOOD, _BAD = b"\x00", b"\x01"


class Signer(Protocol):
    """Anything that can sign a claim.

    Attributes:
        alg: COSE algorithm by its C2PA name: `es256`, `es384`, `es512`, `ps256`, `ed25519`.
        certificate_chain_pem: Leaf first.
    """

    @property
    def alg(self) -> str: ...  # noqa: D102 - documented on the class

    @property
    def certificate_chain_pem(self) -> str: ...  # noqa: D102 - documented on the class

    def sign(self, data: bytes) -> bytes:
        """Sign the bytes.

        Raises:
            SignerUnavailableError: The signer cannot be reached; trying again later may help.
        """
        ...


class LocalSigner:
    """Signs with a key held in this process."""

    def __init__(self, identity: SigningIdentity) -> None:
        self._identity = identity
        self.alg = "es256"
        self.certificate_chain_pem = identity.chain_pem

    def sign(self, data: bytes) -> bytes:
        """ECDSA over P-256 with SHA-256 as `r || s`, 64 bytes."""
        r, s = decode_dss_signature(self._identity.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


class SocketSigner:
    """Signs by asking the process behind a Unix socket; only the to-be-signed bytes travel."""

    def __init__(
        self, socket_path: Path, certificate_chain_pem: str, *, alg: str = "es256", seconds: float = 10
    ) -> None:
        self._path, self._seconds = socket_path, seconds
        self.alg = alg
        self.certificate_chain_pem = certificate_chain_pem

    @classmethod
    def load(cls, socket_path: Path, directory: Path) -> "SocketSigner":
        """Use the public chain of a key folder; `KeyMaterialError` when it is missing."""
        return cls(socket_path, read_text(directory / SIGNER_CHAIN))

    def sign(self, data: bytes) -> bytes:
        """Send the bytes and wait for the signature.

        Raises:
            SignerUnavailableError: Nobody answers, the answer is cut short, or the signer refused.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._seconds)
                connection.connect(str(self._path))
                connection.sendall(_HEADER.pack(len(data)) + data)
                return _read_reply(connection)
        except OSError as error:
            raise SignerUnavailableError("the signer behind its socket does not answer") from error


def _read_reply(connection: socket.socket) -> bytes:
    status = _read_exactly(connection, 1)
    length = _HEADER.unpack(_read_exactly(connection, _HEADER.size))[0]
    if status != _GOOD or length > _LARGEST_SIGNATURE_BYTES:
        raise SignerUnavailableError("the signer refused to sign")
    return _read_exactly(connection, length)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the peer closed the connection early")
        data += part
    return bytes(data)


class SignerServer:
    """Holds the key and answers `SocketSigner` on a Unix socket that only its owner may open (0600).

    Use as a context manager (serves from a thread) or call `serve_forever`.
    """

    def __init__(self, signer: Signer, socket_path: Path) -> None:
        handler = type("Handler", (_SigningHandler,), {"signer": signer})
        self._path = socket_path
        # The socket must never exist with wider permissions, not even between bind and chmod.
        before = os.umask(0o177)
        try:
            self._server = socketserver.ThreadingUnixStreamServer(str(socket_path), handler)
        except OSError as error:
            raise KeyMaterialError("the signer's socket could not be opened") from error
        finally:
            os.umask(before)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._close()

    def serve_forever(self) -> None:
        """Serve in the calling thread until it is interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._close()

    def _close(self) -> None:
        self._server.server_close()
        self._path.unlink(missing_ok=True)


class _SigningHandler(socketserver.BaseRequestHandler):
    signer: ClassVar[Signer]

    def handle(self) -> None:
        """Answer one request; anything malformed gets a refusal, never a signature."""
        try:
            length = _HEADER.unpack(_read_exactly(self.request, _HEADER.size))[0]
            if not 0 < length <= _LARGEST_REQUEST_BYTES:
                self.request.sendall(_BAD + _HEADER.pack(0))
                return
            signature = self.signer.sign(_read_exactly(self.request, length))
            self.request.sendall(_GOOD + _HEADER.pack(len(signature)) + signature)
        except OSError:
            # The client went away; there is nobody to tell.
            return
