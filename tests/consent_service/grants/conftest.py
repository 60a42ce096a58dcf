"""A service with everything real below it: database, vault, log, outboxes, policies. The clock is set."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel

from consent_service.accounts.addresses import AddressRules
from consent_service.accounts.service import AccountService
from consent_service.audit.service import AuditLog
from consent_service.db.engine import create_database
from consent_service.db.session import transaction
from consent_service.grants.domain import CheckRequest, Grant
from consent_service.grants.keys import SigningKeys
from consent_service.grants.service import Floors, GrantService
from consent_service.grants.terms import GrantTerms, Use
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.ids import LikenessId, PersonId, RelyingPartyId, new_id
from consent_service.policy.engine import PolicyEngine
from consent_service.settings import Settings
from consent_service.vault.keys import LocalMasterKey
from consent_service.vault.service import Vault

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PUBLIC_URL = "https://consent.example"
DESCRIPTION = "Short comic scenes among friends, never for advertising."


@dataclass
class SetClock:
    """A clock that stands until it is moved."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def pass_by(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@dataclass
class Register:
    """Who owns which likeness."""

    owners: dict[str, PersonId] = field(default_factory=dict)

    def owner(self, session: Session, likeness_id: LikenessId) -> PersonId | None:
        del session
        return self.owners.get(likeness_id)


@dataclass
class World:
    """One service with two persons, their likenesses and two relying parties."""

    engine: Engine
    clock: SetClock
    floors: Floors
    grants: GrantService
    keys: SigningKeys
    accounts: AccountService
    register: Register
    ada: PersonId
    bob: PersonId
    ada_key: str
    bob_key: str
    ada_likeness: LikenessId
    bob_likeness: LikenessId
    studio: RelyingPartyId
    rival: RelyingPartyId
    studio_key: str
    rival_key: str

    def terms(self, **changes: Any) -> GrantTerms:
        return make_terms(**({"relying_party_id": self.studio} | changes))

    def issue(self, **changes: Any) -> Grant:
        return self.grants.issue(self.ada, self.ada_likeness, self.terms(**changes))

    def question(self, **changes: Any) -> CheckRequest:
        facts: dict[str, Any] = {
            "relying_party_id": self.studio,
            "likeness_id": self.ada_likeness,
            "requester_id": "user-1",
            "uses": frozenset({Use.FACE}),
            "purpose": "entertainment",
        }
        return CheckRequest(**(facts | changes))


def make_terms(relying_party_id: RelyingPartyId, **changes: Any) -> GrantTerms:
    facts: dict[str, Any] = {
        "relying_party_id": relying_party_id,
        "requesters": frozenset({"*"}),
        "uses": frozenset({Use.FACE, Use.VOICE}),
        "purposes": frozenset({"entertainment", "education"}),
        "commercial": False,
        "regions": frozenset({"001"}),
        "description": DESCRIPTION,
        "not_before": NOW,
        "not_after": NOW + timedelta(days=365),
    }
    return GrantTerms(**(facts | changes))


@pytest.fixture(scope="session")
def policy() -> PolicyEngine:
    return PolicyEngine.load(Settings().policies_dir)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    return SigningKeys.create(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def world(tmp_path: Path, policy: PolicyEngine, keys: SigningKeys) -> Iterator[World]:
    clock, register = SetClock(), Register()
    settings = Settings(data_dir=tmp_path, public_url=PUBLIC_URL)
    engine = create_database(settings.database)
    master = LocalMasterKey.create(settings.keys_dir)
    vault = Vault(master, clock)
    accounts = AccountService(vault, master, clock, AddressRules(allow_loopback=True))
    runtime = JobRuntime(settings, engine, clock)
    audit = AuditLog(Ed25519PrivateKey.generate(), "consent.example/log", clock)
    floors = Floors(engine, clock, vault, audit, policy, runtime, register)
    SQLModel.metadata.create_all(engine)
    with transaction(engine) as session:
        (ada, ada_key), (bob, bob_key) = (accounts.create_person(session) for _ in range(2))
        studio, studio_key, _ = accounts.create_relying_party(session, "Studio", "http://127.0.0.1:9/hook")
        rival, rival_key, _ = accounts.create_relying_party(session, "Rival")
    ada_likeness, bob_likeness = (LikenessId(new_id("lik")) for _ in range(2))
    register.owners.update({ada_likeness: ada, bob_likeness: bob})
    yield World(
        engine,
        clock,
        floors,
        GrantService(floors, keys, PUBLIC_URL),
        keys,
        accounts,
        register,
        ada,
        bob,
        ada_key,
        bob_key,
        ada_likeness,
        bob_likeness,
        studio,
        rival,
        studio_key,
        rival_key,
    )
    engine.dispose()
