"""The cameos slice on real floors: database, vault, log, object store, models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.store import MemoryStore
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel

import consent_service.accounts.tables
import consent_service.web.tables  # noqa: F401 - a table of the schema
from consent_service.accounts.tables import PrincipalRow
from consent_service.audit import repository as log
from consent_service.audit.service import AuditLog
from consent_service.biometrics.registry import ModelRegistry, file_sha256
from consent_service.cameos import repository
from consent_service.cameos.analysis import Measured, RecordingAnalyzer
from consent_service.cameos.domain import Challenge, Turn
from consent_service.cameos.enrolment import Enrolment
from consent_service.cameos.recordings import Recordings
from consent_service.cameos.service import CameoService
from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.ids import ChallengeId, PersonId, new_id
from consent_service.settings import Settings
from consent_service.vault.keys import LocalMasterKey
from consent_service.vault.service import Vault
from provenance.media import MediaLimits

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Hands:
    """A clock moved by hand."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time


@dataclass
class Room:
    """The slice and what a test wants to see of its floors."""

    service: CameoService
    engine: Engine
    vault: Vault
    store: MemoryStore
    clock: Hands
    work: Path
    people: list[PersonId] = field(default_factory=list)

    def person(self) -> PersonId:
        person_id = PersonId(new_id("per"))
        with transaction(self.engine) as session:
            session.add(PrincipalRow(id=person_id, role="person", created_at=self.clock.now()))
            session.flush()
            self.vault.create(session, person_id)
        return person_id

    def challenge(self, person_id: PersonId, digits: str, turns: tuple[str, ...]) -> ChallengeId:
        """Set a challenge that recordings were composed for beforehand."""
        challenge = Challenge(
            ChallengeId(new_id("chl")),
            person_id,
            digits,
            tuple(Turn(turn) for turn in turns),
            self.clock.now() + timedelta(minutes=5),
        )
        with transaction(self.engine) as session:
            repository.add_challenge(session, challenge, self.clock.now())
        return challenge.id

    def ask(self, question: Callable[[Session], object]) -> object:
        with reading(self.engine) as session:
            return question(session)

    def log_kinds(self) -> list[str]:
        with reading(self.engine) as session:
            leaves = [log.leaf(session, index) or b"" for index in range(log.size(session))]
        return [leaf.decode().split('"kind":"')[1].split('"')[0] for leaf in leaves]


class RememberingAnalyzer(RecordingAnalyzer):
    """The real analyzer; measures the same bytes once in a run."""

    def __init__(self, models: ModelRegistry) -> None:
        super().__init__(models)
        self._measured: dict[str, Measured] = {}

    def measure(self, path: Path, limits: MediaLimits) -> Measured:
        digest = file_sha256(path)
        if digest not in self._measured:
            self._measured[digest] = super().measure(path, limits)
        return self._measured[digest]


@pytest.fixture(scope="session")
def analyzer(models: ModelRegistry) -> RecordingAnalyzer:
    return RememberingAnalyzer(models)


@pytest.fixture
def room(analyzer: RecordingAnalyzer, tmp_path: Path) -> Iterator[Room]:
    engine = create_database(f"sqlite:///{tmp_path / 'consent.db'}")
    SQLModel.metadata.create_all(engine)
    clock, store, work = Hands(), MemoryStore(), tmp_path / "work"
    vault = Vault(LocalMasterKey(bytes(range(32))))
    audit = AuditLog(Ed25519PrivateKey.generate(), "log.test", clock)
    recordings = Recordings(store, work)
    enrolment = Enrolment(engine, clock, vault, audit, recordings, analyzer, MediaLimits(max_seconds=60))
    runtime = JobRuntime(Settings(data_dir=tmp_path), engine, clock)
    service = CameoService(engine, clock, vault, audit, recordings, enrolment, runtime, challenge_seconds=300)
    yield Room(service, engine, vault, store, clock, work)
    engine.dispose()
