"""The command line: mark, sign, detect and verify files, and make development keys.

In: files and folders named by arguments. Out: a few lines for people, or one JSON object with `--json`. Exit
status 0 means done and good, 1 a negative answer (nothing found, not verified), 2 that it could not be done;
errors are one line on stderr.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from provenance.errors import MediaError, ProvenanceError
from provenance.manifests import (
    ClaimRequest,
    DevelopmentTimestampAuthority,
    GrantReference,
    LocalSigner,
    SignedManifest,
    Signer,
    SignerServer,
    SigningIdentity,
    SocketSigner,
    TrustPolicy,
    init_development_pki,
    sign_file,
)
from provenance.presentation import show_detection, show_mark, show_signed, show_verdict
from provenance.softbinding.assertion import WATERMARK_BYTES
from provenance.softbinding.fingerprint import fingerprint_file
from provenance.softbinding.repository import DirectoryRepository, StoredManifest
from provenance.verify import verify_file
from provenance.watermark import KeyRing, detect_file, mark_file

GOOD, NEGATIVE, COULD_NOT = 0, 1, 2

app = typer.Typer(
    help="Mark generated media, sign what is said about them, and read both back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys_app = typer.Typer(help="Development keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys_app, name="keys")

Source = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="IN", help="Media file.")]
Destination = Annotated[Path, typer.Argument(dir_okay=False, metavar="OUT", help="File to write.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="Media file.")]
KeysFolder = Annotated[Path, typer.Option("--keys", file_okay=False, help="Folder made by `keys init`.")]
OptionalKeys = Annotated[
    Path | None, typer.Option("--keys", file_okay=False, help="Folder with watermark keys.")
]
Repository = Annotated[
    Path | None, typer.Option("--repository", file_okay=False, help="Folder of manifests.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Fast = Annotated[bool, typer.Option("--fast", help="Do not search for scaled or cropped marks.")]


@keys_app.command("init")
def keys_init(directory: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Make development keys: claim signing, timestamping, watermarking. Never overwrites."""
    init_development_pki(directory, datetime.now(UTC))
    KeyRing.create(directory)
    typer.echo(f"development keys are in {directory}; they prove nothing to anyone else")


@app.command()
def mark(
    source: Source,
    destination: Destination,
    identifier: Annotated[str, typer.Option("--id", help="Identifier to embed: 16 hex digits, opaque.")],
    keys: KeysFolder,
    crf: Annotated[int, typer.Option(min=0, max=51, help="Quality of the encoding, lower is better.")] = 18,
    as_json: AsJson = False,
) -> None:
    """Embed an invisible mark into picture and sound."""
    payload = _payload(identifier)
    report = mark_file(source, destination, payload=payload, key=KeyRing.load(keys).active, crf=crf)
    _print(report.to_json(), as_json, lambda console: show_mark(console, report))
    readable = report.video is not None and report.video.readable
    raise typer.Exit(GOOD if readable else NEGATIVE)


@app.command()
def detect(file: File, keys: KeysFolder, fast: Fast = False, as_json: AsJson = False) -> None:
    """Look for a mark in picture and sound."""
    report = detect_file(file, keys=KeyRing.load(keys), deep=not fast)
    _print(report.to_json(), as_json, lambda console: show_detection(console, report))
    raise typer.Exit(GOOD if report.payload is not None else NEGATIVE)


@app.command()
def sign(  # noqa: PLR0913, PLR0917 - every parameter is an option of the command
    source: Source,
    destination: Destination,
    keys: KeysFolder,
    title: Annotated[str, typer.Option(help="Title stated in the manifest; no personal data.")] = "Clip",
    identifier: Annotated[
        str | None, typer.Option("--id", help="Embedded mark; read from IN if absent.")
    ] = None,
    parent: Annotated[list[Path] | None, typer.Option(exists=True, help="What IN was made from.")] = None,
    grant: Annotated[list[str] | None, typer.Option(help="Consent: ID,RECEIPT_SHA256,STATUS_URL.")] = None,
    source_type: Annotated[str, typer.Option(help="IPTC digital source type.")] = "trainedAlgorithmicMedia",
    timestamp_url: Annotated[
        str | None, typer.Option(help="RFC 3161 authority; then it is required.")
    ] = None,
    repository: Repository = None,
    signer_socket: Annotated[Path | None, typer.Option(help="Sign through `provenance signer`.")] = None,
    production: Annotated[bool, typer.Option(help="Refuse development keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign a file and keep its manifest so that the mark leads back to it."""
    signer = _signer(keys, signer_socket, production=production)
    claim = ClaimRequest(
        title=title,
        created_at=datetime.now(UTC),
        source_type=source_type,
        watermark_payload=_payload(identifier) if identifier else _embedded_payload(source, keys),
        fingerprint=_fingerprint(source),
        grants=tuple(_grant(text) for text in grant or ()),
        parents=tuple(parent or ()),
    )
    trust = TrustPolicy.load(keys) if parent else None
    signed = sign_file(source, destination, claim, signer=signer, timestamp_url=timestamp_url, trust=trust)
    if repository is not None:
        _store(repository, signed, claim)
    summary: dict[str, object] = {
        "manifest_id": signed.manifest_id,
        "instance_id": signed.instance_id,
        "watermark": claim.watermark_payload and claim.watermark_payload.hex(),
        "timestamped": timestamp_url is not None,
        "stored": repository is not None,
    }
    _print(summary, as_json, lambda console: show_signed(console, summary))


@app.command()
def verify(
    file: File,
    trust: Annotated[Path, typer.Option(file_okay=False, help="Folder with `anchors.pem`.")],
    keys: OptionalKeys = None,
    repository: Repository = None,
    fast: Fast = False,
    as_json: AsJson = False,
) -> None:
    """Say what a file is: intact, trusted, marked, recovered, and made from what."""
    verdict = verify_file(
        file,
        trust=TrustPolicy.load(trust),
        keys=KeyRing.load(keys) if keys else None,
        repository=DirectoryRepository(repository) if repository else None,
        consent=None,
        deep=not fast,
    )
    _print(verdict.to_json(), as_json, lambda console: show_verdict(console, verdict))
    raise typer.Exit(GOOD if verdict.good else NEGATIVE)


@app.command("tsa")
def timestamp_authority(
    keys: KeysFolder, port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8318
) -> None:
    """Run the development timestamp authority until interrupted."""
    authority = DevelopmentTimestampAuthority.load(keys, port)
    typer.echo(f"development timestamps at {authority.url}")
    authority.serve_forever()


@app.command("signer")
def signer_server(
    keys: KeysFolder, socket: Annotated[Path, typer.Option(help="Unix socket to open.")]
) -> None:
    """Hold the signing key and sign for others over a Unix socket, until interrupted."""
    server = SignerServer(LocalSigner(SigningIdentity.load(keys)), socket)
    typer.echo(f"signing at {socket}")
    server.serve_forever()


def main() -> None:
    """Run the command line; an error of ours becomes one line and exit status 2."""
    try:
        app()
    except (ProvenanceError, OSError) as error:
        code = error.code if isinstance(error, ProvenanceError) else "os_error"
        typer.echo(f"provenance: {code}: {error}", err=True)
        sys.exit(COULD_NOT)
    except KeyboardInterrupt:
        sys.exit(COULD_NOT)


def _signer(keys: Path, socket: Path | None, *, production: bool) -> Signer:
    if socket is not None:
        return SocketSigner.load(socket, keys)
    return LocalSigner(SigningIdentity.load(keys, production=production))


def _payload(text: str) -> bytes:
    try:
        payload = bytes.fromhex(text)
    except ValueError as error:
        raise typer.BadParameter("`--id` must be hexadecimal") from error
    if len(payload) != WATERMARK_BYTES:
        raise typer.BadParameter(f"`--id` must have {2 * WATERMARK_BYTES} hex digits")
    return payload


def _embedded_payload(source: Path, keys: Path) -> bytes | None:
    """The mark in the file itself, so that nothing is bound that is not there."""
    found = detect_file(source, keys=KeyRing.load(keys), deep=False).payload
    return found if found is not None and len(found) == WATERMARK_BYTES else None


def _fingerprint(source: Path) -> bytes | None:
    try:
        return fingerprint_file(source).encode()
    except MediaError:
        # Sound alone has no picture to fingerprint; signing goes on without one.
        return None


def _grant(text: str) -> GrantReference:
    try:
        grant_id, receipt, url = text.split(",", 2)
        return GrantReference(grant_id, receipt, url)
    except ValueError as error:
        raise typer.BadParameter(f"`--grant` is ID,RECEIPT_SHA256,STATUS_URL: {error}") from error


def _store(repository: Path, signed: SignedManifest, claim: ClaimRequest) -> None:
    stored = StoredManifest(signed.manifest_id, signed.manifest, claim.watermark_payload, claim.fingerprint)
    DirectoryRepository(repository).store(stored)


def _print(values: dict[str, object], as_json: bool, show: Callable[[Console], None]) -> None:
    if as_json:
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2))
    else:
        show(Console())
