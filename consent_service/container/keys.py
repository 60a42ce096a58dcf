"""All key material of the service, in one place: made once by `init`, loaded at start, refused when unfit.

In: the keys folder of the settings. Out: keys in memory. Below the folder:

    master.key           wraps every other secret of the service (0600)
    audit.key            the log's Ed25519 key, wrapped
    grants/              token signing keys and their public ring
    watermark-keys.json  watermark secrets (0600)
    pki/                 claim-signing chain, trust anchors; in development also a timestamp authority

A production service takes its claim-signing identity from `pki/` as the operator put it there, or from a
signer behind a socket; development keys are refused.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, inspect
from sqlmodel import select

from consent_service.audit.keys import AUDIT_KEY_FILE, create_signing_key, load_signing_key
from consent_service.db.engine import create_database
from consent_service.db.session import reading
from consent_service.grants.keys import FOLDER as GRANTS_FOLDER
from consent_service.grants.keys import SigningKeys
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import UnavailableError
from consent_service.settings import Settings
from consent_service.vault.keys import MASTER_KEY_FILE, LocalMasterKey
from consent_service.vault.tables import PersonKeyRow
from provenance.errors import KeyMaterialError
from provenance.manifests import (
    LocalSigner,
    Signer,
    SigningIdentity,
    SocketSigner,
    TrustPolicy,
    init_development_pki,
)
from provenance.watermark import KeyRing
from provenance.watermark.keys import KEY_FILE as WATERMARK_FILE

PKI_FOLDER: Final = "pki"


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything secret, loaded; nothing of it shows in a repr."""

    master: LocalMasterKey = field(repr=False)
    audit: Ed25519PrivateKey = field(repr=False)
    tokens: SigningKeys = field(repr=False)
    watermark: KeyRing = field(repr=False)
    signer: Signer = field(repr=False)
    trust: TrustPolicy = field(repr=False)


def create_missing(settings: Settings, clock: Clock) -> tuple[str, ...]:
    """Make the keys that are not there yet and return their names; existing ones are never touched.

    Raises:
        UnavailableError: The master key is gone while people's keys are wrapped under it.
    """
    folder = settings.keys_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    if not (folder / MASTER_KEY_FILE).exists():
        _refuse_to_replace(settings)
        LocalMasterKey.create(folder)
        made.append("master key")
    if not (folder / AUDIT_KEY_FILE).exists():
        create_signing_key(folder, LocalMasterKey.load(folder))
        made.append("log key")
    if not (folder / GRANTS_FOLDER).exists():
        SigningKeys.create(folder)
        made.append("token keys")
    if not (folder / WATERMARK_FILE).exists():
        KeyRing.create(folder)
        made.append("watermark keys")
    if settings.environment == "development" and not (folder / PKI_FOLDER).exists():
        init_development_pki(folder / PKI_FOLDER, clock.now())
        made.append("development certificates")
    return tuple(made)


def load(settings: Settings) -> Keys:
    """Load every key.

    Raises:
        UnavailableError: One is missing, broken, or not fit for this environment.
    """
    folder = settings.keys_dir
    master = LocalMasterKey.load(folder)
    try:
        return Keys(
            master=master,
            audit=load_signing_key(folder, master),
            tokens=SigningKeys.load(folder),
            watermark=KeyRing.load(folder),
            signer=_signer(settings, folder / PKI_FOLDER),
            trust=TrustPolicy.load(folder / PKI_FOLDER),
        )
    except KeyMaterialError as error:
        raise UnavailableError(error.code, f"{error}; see `consent-service init`") from None


def _signer(settings: Settings, pki: Path) -> Signer:
    if settings.signer_socket is not None:
        return SocketSigner.load(settings.signer_socket, pki)
    return LocalSigner(SigningIdentity.load(pki, production=settings.environment == "production"))


def _refuse_to_replace(settings: Settings) -> None:
    """A new master key beside old person keys would hide a loss; say so instead."""
    engine = create_database(settings.database)
    try:
        lost = _anyone_sealed(engine)
    finally:
        engine.dispose()
    if lost:
        raise UnavailableError(
            "master_key_missing", "the master key is gone but people's keys were wrapped under it; restore it"
        )


def _anyone_sealed(engine: Engine) -> bool:
    if not inspect(engine).has_table("person_keys"):
        return False
    with reading(engine) as session:
        return session.exec(select(PersonKeyRow.person_id).limit(1)).first() is not None
