"""The job of enrolment: load -> measure -> decide -> save and record.

In: the id of a recording that came in. Out: a decision, and on acceptance a likeness whose templates are
sealed. Run twice, it decides once: a cameo that was decided on is left alone.
"""

from dataclasses import replace

from sqlalchemy import Engine
from sqlmodel import Session

from consent_service.audit.service import AuditLog
from consent_service.biometrics.comparison import Outcome, compare_faces, compare_voices
from consent_service.cameos import movement, repository
from consent_service.cameos.analysis import Measured, RecordingAnalyzer
from consent_service.cameos.domain import (
    Challenge,
    EnrolmentDecision,
    Gallery,
    GalleryEntry,
    History,
    Status,
    decide_enrolment,
)
from consent_service.cameos.record import Cameo, evidence_json
from consent_service.cameos.recordings import Recordings
from consent_service.cameos.sealing import (
    Sealer,
    face_place,
    recording_place,
    signature_place,
    voice_place,
)
from consent_service.cameos.tables import CameoRow, LikenessRow
from consent_service.db.session import reading, transaction
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import ConflictError, NotFoundError
from consent_service.kernel.ids import CameoId, LikenessId, new_id
from consent_service.vault.service import Vault
from provenance.errors import MediaError
from provenance.media import MediaLimits

_KINDS = {
    Status.ACCEPTED: "cameo.accepted",
    Status.REJECTED: "cameo.rejected",
    Status.NEEDS_REVIEW: "cameo.review",
}


class Enrolment:
    """Turns recordings into decisions and likenesses."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        vault: Vault,
        audit: AuditLog,
        recordings: Recordings,
        analyzer: RecordingAnalyzer,
        limits: MediaLimits,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._vault = vault
        self._sealer = Sealer(vault)
        self._audit = audit
        self._recordings = recordings
        self._analyzer = analyzer
        self._limits = limits

    def process(self, cameo_id: CameoId) -> Status:
        """Measure a recording and decide on it.

        Raises:
            NotFoundError: There is no such cameo, or its recording or its owner's key is gone.
            UnavailableError: A model is missing; the cameo stays in processing.
        """
        with reading(self._engine) as session:
            row = _found(session, cameo_id)
            if row.status != Status.PROCESSING:
                self._recordings.delete(cameo_id)  # a crash may have come between decision and deletion
                return Status(row.status)
            sealed = self._recordings.get(cameo_id)
            plain = self._vault.open(session, row.person_id, sealed, recording_place(cameo_id))
        status = self._decide(cameo_id, plain)
        self._recordings.delete(cameo_id)
        return status

    def fail(self, cameo_id: CameoId, code: str) -> Status:
        """End a cameo that could not be measured, with the code of what went wrong."""
        status = self._refuse(cameo_id, code)
        self._recordings.delete(cameo_id)
        return status

    def settle(self, session: Session, cameo_id: str, *, accept: bool) -> Cameo:
        """Carry out a moderator's decision on a cameo in review.

        Raises:
            NotFoundError: `cameo_unknown`.
            ConflictError: `cameo_not_in_review`.
        """
        row = _found(session, cameo_id)
        if row.status != Status.NEEDS_REVIEW or row.sealed_face is None or row.sealed_voice is None:
            raise ConflictError("cameo_not_in_review", "the cameo does not wait for a decision")
        status = Status.ACCEPTED if accept else Status.REJECTED
        if accept:
            face = self._sealer.template(session, row.person_id, row.sealed_face, face_place(row.id))
            voice = self._sealer.template(session, row.person_id, row.sealed_voice, voice_place(row.id))
            row.likeness_id = self._enrol(session, row, GalleryEntry(LikenessId(""), face, voice))
        row.sealed_face = row.sealed_voice = None
        self._save(session, row, EnrolmentDecision(status), tuple(row.reasons))
        return Cameo.of(row)

    def gallery(self, session: Session) -> Gallery:
        """Return every enrolled likeness with its templates in clear."""
        return self._sealer.gallery(session, list(repository.likenesses(session)))

    def _decide(self, cameo_id: CameoId, plain: bytes) -> Status:
        try:
            with self._recordings.opened(plain) as path:
                measured = self._analyzer.measure(path, self._limits)
        except MediaError as error:
            return self._refuse(cameo_id, error.code)
        with transaction(self._engine) as session:
            row = _found(session, cameo_id)
            if row.status == Status.PROCESSING:  # not decided by a twin of this job meanwhile
                self._judge(session, row, measured)
            return Status(row.status)

    def _refuse(self, cameo_id: CameoId, code: str) -> Status:
        """Reject a file that cannot be read as a recording."""
        with transaction(self._engine) as session:
            row = _found(session, cameo_id)
            if row.status == Status.PROCESSING:
                self._save(session, row, EnrolmentDecision(Status.REJECTED), (code,))
            return Status(row.status)

    def _judge(self, session: Session, row: CameoRow, measured: Measured) -> None:
        evidence = replace(measured.evidence, history=self._history(session, row, measured))
        decision = decide_enrolment(_challenge(session, row), evidence, row.received_at)
        if decision.status is Status.ACCEPTED:
            row.likeness_id = self._enrol(session, row, _entry(measured))
        elif decision.status is Status.NEEDS_REVIEW:
            self._hold(session, row, _entry(measured))
        place = signature_place(row.id)
        row.sealed_signature = self._sealer.seal(session, row.person_id, measured.signature, place)
        row.evidence = evidence_json(evidence)
        self._save(session, row, decision, tuple(decision.reasons))

    def _history(self, session: Session, row: CameoRow, measured: Measured) -> History:
        reused = repository.received_before(session, row) or any(
            movement.same_recording(measured.signature, self._sealer.signature(session, earlier))
            for earlier in repository.earlier_recordings(session, row)
        )
        if measured.face is None:
            return History(reused=reused)
        own = repository.likeness_of(session, row.person_id)
        others = [each for each in repository.likenesses(session) if each.person_id != row.person_id]
        elsewhere = any(
            compare_faces(measured.face, entry.face).decision is Outcome.MATCH
            for entry in self._sealer.gallery(session, others).entries
        )
        face, voice = _compared(measured, self._sealer.entry(session, own)) if own else (None, None)
        return History(reused, face, voice, elsewhere)

    def _enrol(self, session: Session, row: CameoRow, entry: GalleryEntry) -> LikenessId:
        """Return the person's likeness, made now if there is none.

        A later recording confirms the likeness and leaves its templates as they are: templates that follow
        every recording could be led, step by step, to somebody else.
        """
        own = repository.likeness_of(session, row.person_id)
        if own is not None:
            return LikenessId(own.id)
        likeness_id = LikenessId(new_id("lik"))
        face, voice = self._sealed(session, row.person_id, likeness_id, entry)
        session.add(
            LikenessRow(
                id=likeness_id,
                person_id=row.person_id,
                enrolled_at=self._clock.now(),
                sealed_face=face,
                sealed_voice=voice,
            )
        )
        return likeness_id

    def _hold(self, session: Session, row: CameoRow, entry: GalleryEntry) -> None:
        """Keep the templates, sealed, until a moderator decided."""
        row.sealed_face, row.sealed_voice = self._sealed(session, row.person_id, row.id, entry)

    def _sealed(
        self, session: Session, person_id: str, owner_id: str, entry: GalleryEntry
    ) -> tuple[bytes, bytes]:
        if entry.voice is None:
            raise ValueError("a recording without speech is never enrolled")
        face = self._sealer.seal(session, person_id, entry.face, face_place(owner_id))
        return face, self._sealer.seal(session, person_id, entry.voice, voice_place(owner_id))

    def _save(
        self, session: Session, row: CameoRow, decision: EnrolmentDecision, reasons: tuple[str, ...]
    ) -> None:
        row.status, row.reasons, row.decided_at = decision.status, list(reasons), self._clock.now()
        session.add(row)
        facts = {"cameo_id": row.id, "reasons": " ".join(reasons)}
        commitments = self._commitments(session, row)
        self._audit.append(session, _KINDS[decision.status], commitments=commitments, facts=facts)

    def _commitments(self, session: Session, row: CameoRow) -> dict[str, str]:
        if self._vault.is_erased(session, row.person_id):
            return {}
        committed = {"recording": row.sha256, "likeness": row.likeness_id}
        return {
            name: self._vault.commitment(session, row.person_id, value.encode())
            for name, value in committed.items()
            if value
        }


def _found(session: Session, cameo_id: str) -> CameoRow:
    row = repository.cameo(session, cameo_id)
    if row is None:
        raise NotFoundError("cameo_unknown", "there is no such cameo")
    return row


def _challenge(session: Session, row: CameoRow) -> Challenge:
    """Return the challenge this cameo answers; that it was used by this very cameo is no second use."""
    challenge = repository.challenge(session, row.challenge_id)
    if challenge is None:
        raise NotFoundError("challenge_unknown", "there is no such challenge")
    return replace(challenge, used_by=None) if challenge.used_by == row.id else challenge


def _entry(measured: Measured) -> GalleryEntry:
    if measured.face is None or measured.voice is None:
        raise ValueError("a recording without face or voice is rejected before it is kept")
    return GalleryEntry(LikenessId(""), measured.face, measured.voice.template)


def _compared(measured: Measured, own: GalleryEntry) -> tuple[Outcome | None, Outcome | None]:
    """Compare with the person's own likeness; what was not measured is not compared."""
    face = compare_faces(measured.face, own.face).decision if measured.face is not None else None
    if measured.voice is None or not measured.voice.speech_seconds or own.voice is None:
        return face, None
    voice = compare_voices(
        measured.voice.template,
        own.voice,
        speech_seconds=measured.voice.speech_seconds,
        snr_db=measured.voice.snr_db,
    )
    return face, voice.decision
