"""The signer port: the key in this process, or in another one behind a socket."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from provenance.errors import KeyMaterialError, SignerUnavailableError
from provenance.manifests import (
    ClaimRequest,
    LocalSigner,
    SignerServer,
    SocketSigner,
    sign_file,
)
from provenance.manifests.profile import load_chain

SERVE = "from provenance.cli import main; main()"


@pytest.fixture(scope="module")
def other_process(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("signer") / "socket"
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, "signer", "--keys", str(keys), "--socket", str(path)]
    ) as process:
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield path
        process.terminate()


def check_signature(keys: Path, data: bytes, signature: bytes) -> None:
    key = load_chain((keys / "signer.chain.pem").read_text())[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert len(signature) == 64
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def test_a_local_signature_verifies(keys: Path, signer: LocalSigner) -> None:
    check_signature(keys, b"data", signer.sign(b"data"))


def test_a_signature_from_another_process_verifies(keys: Path, other_process: Path) -> None:
    check_signature(keys, b"data", SocketSigner.load(other_process, keys).sign(b"data"))


def test_a_file_is_signed_by_another_process(
    keys: Path, other_process: Path, clip: Path, claim: ClaimRequest, tmp_path: Path
) -> None:
    sign_file(
        clip, tmp_path / "out.mp4", claim, signer=SocketSigner.load(other_process, keys), timestamp_url=None
    )
    assert (tmp_path / "out.mp4").stat().st_size > clip.stat().st_size


def test_the_socket_belongs_to_its_owner_and_goes_away(signer: LocalSigner, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with SignerServer(signer, path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_nobody_there_is_told(keys: Path, tmp_path: Path) -> None:
    with pytest.raises(SignerUnavailableError):
        SocketSigner.load(tmp_path / "nothing", keys).sign(b"data")


def test_a_silent_signer_is_given_up_on(keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "silent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        chain = (keys / "signer.chain.pem").read_text()
        with pytest.raises(SignerUnavailableError):
            SocketSigner(path, chain, seconds=0.1).sign(b"data")


def test_an_impossible_request_gets_no_signature(signer: LocalSigner, keys: Path, tmp_path: Path) -> None:
    with SignerServer(signer, tmp_path / "socket"), pytest.raises(SignerUnavailableError, match="refused"):
        SocketSigner.load(tmp_path / "socket", keys).sign(b"")


def test_a_socket_that_cannot_be_opened_is_told(signer: LocalSigner, tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="socket"):
        SignerServer(signer, tmp_path / "missing" / "socket")
