"""Use cases of clips: hand in, look up, fetch the published file, rule on a held clip, tidy up after a crash.

In: a relying party's file and declaration; a moderator's ruling. Out: clips, and jobs asked for in the same
transaction. A relying party knows of its own clips only; to it, anybody else's are not there.
"""

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Final

from sqlmodel import Session

from consent_service.clips import repository
from consent_service.clips.domain import (
    RESTING,
    ClipConsent,
    ClipState,
    Declaration,
    PublishedFile,
    Ruling,
    SourceFile,
)
from consent_service.clips.files import ClipFiles, source_key
from consent_service.clips.gate import Reason
from consent_service.clips.ledger import Ledger
from consent_service.clips.record import Clip
from consent_service.clips.workflows import PUBLISH
from consent_service.db.session import after_commit
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.errors import ConflictError, InvalidInputError, NotFoundError, TooManyError
from consent_service.kernel.ids import CaseId, ClipId, RelyingPartyId, is_id, new_id
from provenance.media import MediaLimits, probe

_MOST_UNDER_WAY: Final = 500  # clips of one relying party that have not come to their end


class ClipService:
    """What may be asked about clips."""

    def __init__(self, ledger: Ledger, files: ClipFiles, runtime: JobRuntime, limits: MediaLimits) -> None:
        self._ledger = ledger
        self._files = files
        self._runtime = runtime
        self._limits = limits

    def submit(self, relying_party_id: RelyingPartyId, upload: Path, declaration: Declaration) -> Clip:
        """Take a clip in and ask for its publication; nothing is kept of one that cannot be taken.

        Raises:
            InvalidInputError: It has no picture, or a parent is not a published clip of this party.
            ConflictError: `parent_withdrawn`.
            TooManyError: `clips_under_way`: each keeps its source, those held for a moderator too.
            MediaError: It is not media that can be read within the limits.
            StorageFullError: There was no room to keep it.
        """
        clip_id = ClipId(new_id("clp"))
        source = self._inspect(clip_id, upload)
        self._files.put(source.key, upload, "clip")
        try:
            return self._accept(clip_id, relying_party_id, source, declaration)
        except BaseException:
            self._files.delete(source.key)
            raise

    def _inspect(self, clip_id: ClipId, upload: Path) -> SourceFile:
        info = probe(upload, self._limits)
        if not info.has_video:
            raise InvalidInputError("no_picture", "the file has no moving picture")
        with upload.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return SourceFile(source_key(clip_id), sha256, upload.stat().st_size, info.seconds, info.has_audio)

    def _accept(
        self, clip_id: ClipId, party: RelyingPartyId, source: SourceFile, declaration: Declaration
    ) -> Clip:
        now = self._ledger.clock.now()
        clip = Clip(clip_id, party, declaration, source, created_at=now, updated_at=now)
        with self._ledger.transaction() as session:
            if repository.under_way(session, party) >= _MOST_UNDER_WAY:
                raise TooManyError("clips_under_way", "wait until some of your clips have come to rest")
            parents = repository.published_among(session, declaration.parents)
            own = [parent.clip_id for parent in parents if parent.relying_party_id == party]
            if own != list(declaration.parents):
                raise InvalidInputError("parent_unknown", "a parent is not a published clip of yours")
            if any(parent.consent is ClipConsent.WITHDRAWN for parent in parents):
                raise ConflictError("parent_withdrawn", "the consent behind a parent was withdrawn")
            repository.add(session, clip)
            self._ask_to_publish(clip)
        return clip

    def get(self, clip_id: ClipId, relying_party_id: RelyingPartyId) -> Clip:
        """Return a clip of this relying party.

        Raises:
            NotFoundError: There is none; somebody else's counts as none.
        """
        clip = self._ledger.read(clip_id) if is_id(clip_id, "clp") else None
        if clip is None or clip.relying_party_id != relying_party_id:
            raise NotFoundError("clip_not_found", "there is no such clip")
        return clip

    def published_file(self, clip_id: ClipId, relying_party_id: RelyingPartyId) -> PublishedFile:
        """Return where the published file of a clip is.

        Raises:
            NotFoundError: There is no such clip.
            ConflictError: It is not published.
        """
        clip = self.get(clip_id, relying_party_id)
        if clip.state is not ClipState.PUBLISHED or clip.published is None:
            raise ConflictError("clip_not_published", f"the clip is `{clip.state}`; it has no published file")
        return clip.published

    def read(self, file: PublishedFile, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) of a published file."""
        return self._files.stream(file.key, start, end)

    def awaiting_review(self, session: Session) -> tuple[Clip, ...]:
        """Return the clips held for a moderator, oldest first."""
        return repository.awaiting_review(session)

    def by_case(self, session: Session, case_id: CaseId) -> Clip | None:
        """Return the clip held under a case, if there is one."""
        return repository.by_case(session, case_id)

    def rule(self, session: Session, clip_id: ClipId, ruling: Ruling) -> Clip:
        """Carry out a moderator's ruling: send the clip through the gate again, or refuse it.

        Raises:
            ConflictError: The clip is not held for review.
        """
        clip = repository.get(session, clip_id)
        if clip.state is not ClipState.NEEDS_REVIEW:
            raise ConflictError("case_decided", "the case is decided already")
        if ruling is Ruling.UPHOLD:
            refused = self._ledger.end_in(
                session, clip, ClipState.REFUSED, (Reason.UPHELD_ON_REVIEW, *clip.reasons), ruling=ruling
            )
            after_commit(session, lambda: self._files.delete(clip.source.key))
            return refused
        again = clip.moved(
            ClipState.RECEIVED, self._ledger.clock.now(), round=clip.round + 1, ruling=ruling, reasons=()
        )
        repository.save(session, again)
        self._ask_to_publish(again)
        return again

    def _ask_to_publish(self, clip: Clip) -> None:
        self._runtime.enqueue(PUBLISH, clip.job_id, clip.clip_id)

    def sweep(self) -> int:
        """Remove work files and sources that belong to no clip under way; call before jobs are run.

        A young source without a clip stays: another process may be taking its clip in.

        Returns:
            How many were removed.
        """
        held = {ClipState.NEEDS_REVIEW}
        removed = 0
        for clip_id in self._files.worked_on():
            if self._state(clip_id) in {None, *RESTING}:
                self._files.discard_work(clip_id)
                removed += 1
        abandoned = self._files.old_keys("sources")
        for key in self._files.keys("sources"):
            state = self._state(ClipId(key.rpartition("/")[2]))
            if state in RESTING - held or (state is None and key in abandoned):
                self._files.delete(key)
                removed += 1
        return removed

    def _state(self, clip_id: ClipId) -> ClipState | None:
        try:
            return self._ledger.read(clip_id).state
        except NotFoundError:
            return None
