"""Withdraws grants one after the other and says so after each, until it is killed."""

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session

from consent_service.audit.service import AuditLog
from consent_service.db.engine import create_database
from consent_service.grants.keys import SigningKeys
from consent_service.grants.service import Floors, GrantService
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.clock import SystemClock
from consent_service.kernel.ids import LikenessId, PersonId
from consent_service.policy.engine import PolicyEngine
from consent_service.settings import Settings
from consent_service.vault.keys import LocalMasterKey
from consent_service.vault.service import Vault


class Nobody:
    """Withdrawing asks nobody who owns a likeness."""

    def owner(self, session: Session, likeness_id: LikenessId) -> PersonId | None:
        raise NotImplementedError(session, likeness_id)


def main(folder: Path, keys_dir: Path, person: str, grant_ids: list[str]) -> None:
    settings, clock = Settings(data_dir=folder), SystemClock()
    engine = create_database(settings.database)
    floors = Floors(
        engine,
        clock,
        Vault(LocalMasterKey.load(settings.keys_dir), clock),
        AuditLog(Ed25519PrivateKey.generate(), "consent.example/log", clock),
        PolicyEngine.load(settings.policies_dir),
        JobRuntime(settings, engine, clock),
        Nobody(),
    )
    grants = GrantService(floors, SigningKeys.load(keys_dir), settings.public_url)
    for grant_id in grant_ids:
        grants.revoke(person, grant_id)
        sys.stdout.write(f"{grant_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
