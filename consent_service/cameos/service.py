"""Use cases of enrolment: set a challenge, take a recording in, look things up, erase.

In: ids and files. Out: challenges, cameos, galleries. What a recording is measured for and decided on
happens in `enrolment`, as a durable job.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.audit.service import AuditLog
from consent_service.cameos import repository
from consent_service.cameos.domain import DIGITS, TURNS, Challenge, Gallery, Status, Turn
from consent_service.cameos.enrolment import Enrolment
from consent_service.cameos.record import Cameo
from consent_service.cameos.recordings import Recordings
from consent_service.cameos.sealing import recording_place
from consent_service.cameos.tables import CameoRow
from consent_service.db.session import reading, transaction
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import ConflictError, NotFoundError, TooManyError
from consent_service.kernel.ids import CameoId, CaseId, ChallengeId, LikenessId, PersonId, new_id
from consent_service.vault.service import Vault

JOB: Final = "enrol"
"""Name of the workflow that measures a recording and decides."""

_KEPT_CHALLENGES: Final = timedelta(days=1)
_MOST_CHALLENGES: Final = 20  # open at once, for one person
_MOST_PROCESSING: Final = 3  # recordings of one person that wait to be measured
ErasureListener = Callable[[Session, LikenessId], None]


class CameoService:
    """Challenges, cameos and likenesses."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        vault: Vault,
        audit: AuditLog,
        recordings: Recordings,
        enrolment: Enrolment,
        runtime: JobRuntime,
        challenge_seconds: int,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._vault = vault
        self._audit = audit
        self._recordings = recordings
        self._enrolment = enrolment
        self._runtime = runtime
        self._challenge_time = timedelta(seconds=challenge_seconds)
        self._listeners: list[ErasureListener] = []

    def set_challenge(self, person_id: PersonId) -> Challenge:
        """Return a fresh challenge: six random digits, three turns of the head with both sides among them.

        Raises:
            TooManyError: `challenges_open`. Who could ask without end would be asked, in the end, for what an
                old recording shows.
        """
        now = self._clock.now()
        challenge = Challenge(
            id=ChallengeId(new_id("chl")),
            person_id=person_id,
            digits="".join(secrets.choice("0123456789") for _ in range(DIGITS)),
            turns=_random_turns(),
            expires_at=now + self._challenge_time,
        )
        with transaction(self._engine) as session:
            if repository.open_challenges(session, person_id, now) >= _MOST_CHALLENGES:
                raise TooManyError("challenges_open", "answer a challenge, or wait until one has expired")
            repository.forget_challenges(session, now - _KEPT_CHALLENGES)
            repository.add_challenge(session, challenge, now)
        return challenge

    def submit(self, person_id: PersonId, challenge_id: str, path: Path, sha256: str) -> Cameo:
        """Take a recording in: seal it, use the challenge up, ask for the job.

        Args:
            person_id: Who sends it.
            challenge_id: The challenge it answers.
            path: The uploaded file; it is not kept.
            sha256: Digest of the file, hex.

        Raises:
            NotFoundError: `challenge_unknown`: none of this person's.
            ConflictError: `challenge_used` or `challenge_expired`.
            TooManyError: `cameos_under_way`.
            StorageFullError: There is no room to keep the recording.
        """
        cameo_id = CameoId(new_id("cam"))
        try:
            return self._take_in(cameo_id, person_id, challenge_id, path, sha256)
        except BaseException:
            self._recordings.delete(cameo_id)
            raise

    def _take_in(
        self, cameo_id: CameoId, person_id: PersonId, challenge_id: str, path: Path, sha256: str
    ) -> Cameo:
        now = self._clock.now()
        with transaction(self._engine) as session:
            challenge = self._open_challenge(session, person_id, challenge_id)
            if repository.processing(session, person_id) >= _MOST_PROCESSING:
                raise TooManyError("cameos_under_way", "wait until your last recordings were looked at")
            sealed = self._vault.seal(session, person_id, path.read_bytes(), recording_place(cameo_id))
            self._recordings.put(cameo_id, sealed)
            row = CameoRow(
                id=cameo_id,
                person_id=person_id,
                challenge_id=challenge.id,
                status=Status.PROCESSING,
                sha256=sha256,
                received_at=now,
            )
            session.add(row)
            repository.use_challenge(session, challenge.id, cameo_id)
            self._runtime.enqueue(JOB, cameo_id, cameo_id)
            return Cameo.of(row)

    def process(self, cameo_id: CameoId) -> Status:
        """Measure a recording and decide on it, once; see `Enrolment.process`."""
        return self._enrolment.process(cameo_id)

    def fail(self, cameo_id: CameoId, code: str) -> Status:
        """End a cameo whose job failed for good."""
        return self._enrolment.fail(cameo_id, code)

    def get(self, cameo_id: str, person_id: PersonId) -> Cameo:
        """Return a person's own cameo.

        Raises:
            NotFoundError: `cameo_unknown`, also for somebody else's.
        """
        with reading(self._engine) as session:
            row = repository.cameo(session, cameo_id)
            if row is None or row.person_id != person_id:
                raise NotFoundError("cameo_unknown", "there is no such cameo")
            return Cameo.of(row)

    def sweep(self) -> None:
        """Remove recordings that no cameo waits for: left when a request or a job was killed."""
        with reading(self._engine) as session:
            old = {cameo_id: repository.cameo(session, cameo_id) for cameo_id in self._recordings.old()}
        for cameo_id, row in old.items():
            if row is None or row.status != Status.PROCESSING:
                self._recordings.delete(cameo_id)

    def in_review(self, session: Session) -> tuple[Cameo, ...]:
        """Return the cameos that wait for a moderator, oldest first."""
        return tuple(Cameo.of(row) for row in repository.in_review(session))

    def by_case(self, session: Session, case_id: CaseId) -> Cameo | None:
        """Return the cameo that makes this case, while it waits for a moderator."""
        row = repository.cameo(session, "cam_" + case_id.partition("_")[2])
        return Cameo.of(row) if row is not None and row.status == Status.NEEDS_REVIEW else None

    def settle(self, session: Session, cameo_id: str, *, accept: bool) -> Cameo:
        """Carry out a moderator's decision on a cameo in review; see `Enrolment.settle`."""
        return self._enrolment.settle(session, cameo_id, accept=accept)

    def gallery(self, session: Session) -> Gallery:
        """Return every enrolled likeness with its templates in clear; for scanning, in memory only."""
        return self._enrolment.gallery(session)

    def owner(self, session: Session, likeness_id: LikenessId) -> PersonId | None:
        """Return whose likeness it is; None when there is none, or it was erased."""
        row = repository.likeness(session, likeness_id)
        return PersonId(row.person_id) if row is not None and row.erased_at is None else None

    def status(self, session: Session, likeness_id: LikenessId) -> str:
        """Return `enrolled`, `erased` or `unknown`."""
        row = repository.likeness(session, likeness_id)
        if row is None:
            return "unknown"
        return "enrolled" if row.erased_at is None else "erased"

    def likeness_of(self, session: Session, person_id: PersonId) -> LikenessId | None:
        """Return a person's likeness, unless there is none or it was erased."""
        row = repository.likeness_of(session, person_id)
        return LikenessId(row.id) if row is not None else None

    def when_erased(self, listener: ErasureListener) -> None:
        """Have a slice above told of an erasure, in its transaction, while the person's key still exists."""
        self._listeners.append(listener)

    def erase(self, session: Session, likeness_id: LikenessId) -> None:
        """Erase a likeness for good: templates, recordings and the person's key. Idempotent.

        Raises:
            NotFoundError: `likeness_unknown`.
        """
        row = repository.likeness(session, likeness_id)
        if row is None:
            raise NotFoundError("likeness_unknown", "there is no such likeness")
        if row.erased_at is not None:
            return
        for listener in self._listeners:
            listener(session, likeness_id)
        commitment = self._vault.commitment(session, row.person_id, likeness_id.encode())
        self._audit.append(session, "likeness.erased", commitments={"likeness": commitment})
        row.erased_at, row.sealed_face, row.sealed_voice = self._clock.now(), None, None
        session.add(row)
        for cameo in repository.cameos_of(session, row.person_id):
            cameo.sealed_signature = cameo.sealed_face = cameo.sealed_voice = cameo.evidence = None
            if cameo.status == Status.NEEDS_REVIEW:  # there is nothing left that a moderator could enrol
                cameo.status, cameo.decided_at = Status.REJECTED, self._clock.now()
            session.add(cameo)
            self._recordings.delete(CameoId(cameo.id))
        self._vault.erase(session, row.person_id)

    def _open_challenge(self, session: Session, person_id: PersonId, challenge_id: str) -> Challenge:
        challenge = repository.challenge(session, challenge_id, lock=True)
        if challenge is None or challenge.person_id != person_id:
            raise NotFoundError("challenge_unknown", "there is no such challenge")
        if challenge.used_by is not None:
            raise ConflictError("challenge_used", "the challenge was answered already; ask for a new one")
        if self._clock.now() >= challenge.expires_at:
            raise ConflictError("challenge_expired", "the challenge has expired; ask for a new one")
        return challenge


def _random_turns() -> tuple[Turn, ...]:
    """Return random turns; both sides occur, because depth shows between the extremes."""
    while True:
        turns = tuple(secrets.choice(tuple(Turn)) for _ in range(TURNS))
        if len(set(turns)) == len(Turn):
            return turns
