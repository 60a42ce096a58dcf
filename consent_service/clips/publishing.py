"""The steps of publishing, in the order of journey 3. Each may be killed anywhere and run again.

In: the id of a clip that was handed in. Out: the clip's state after the step. What a step makes lies in the
work folder or the row before the next one begins; the identifier is recorded before anything is marked with
it; the finished file becomes visible only by the last step's single transaction.
"""

import re
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from math import ceil
from pathlib import Path
from typing import Final, cast

from sqlmodel import Session

from consent_service.cameos.service import CameoService
from consent_service.clips import repository
from consent_service.clips.domain import (
    RESTING,
    ClipConsent,
    ClipState,
    DeclaredLikeness,
    PublishedFile,
    Sound,
)
from consent_service.clips.files import ClipFiles, manifest_key, published_key, sha256_of
from consent_service.clips.finishing import MARKED, SIGNED, Finisher, fingerprint_in, is_yes, payload_read
from consent_service.clips.gate import (
    Decision,
    GrantStanding,
    LikenessCheck,
    Outcome,
    OutputEvidence,
    Reason,
    count_checks,
    count_scan,
    count_standings,
    decide_admission,
    decide_publication,
)
from consent_service.clips.ledger import Ledger
from consent_service.clips.record import Clip
from consent_service.clips.scanning import LikenessScanner
from consent_service.clips.tables import ManifestRow
from consent_service.grants.domain import CheckRequest
from consent_service.grants.service import GrantService
from consent_service.grants.terms import Use as GrantUse
from consent_service.kernel.ids import CaseId, ClipId, GrantId, new_id
from consent_service.policy.engine import PolicyEngine
from consent_service.policy.questions import PrepareClip, PublishClip
from provenance.answer import Answer
from provenance.manifests import ClaimRequest, Generator, GrantReference
from provenance.verify import Verdict
from provenance.watermark.payload import AUDIO_PREFIX_BYTES
from provenance.watermark.reports import NO_SOUND, SOUND_SILENT

WATERMARK_BYTES: Final = 8
_TITLE: Final = "Generated clip"  # says nothing about anybody
_GIVEN_UP: Final = frozenset({"ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")  # anything else is a class name: of no use outside


def _unless_at_rest(
    step: Callable[["Publisher", Clip], ClipState],
) -> Callable[["Publisher", ClipId], ClipState]:
    """Make a step do nothing for a clip that has come to rest, as when it ended but its record was lost."""

    @wraps(step)
    def run(self: "Publisher", clip_id: ClipId) -> ClipState:
        clip = self.load(clip_id)
        return clip.state if clip.state in RESTING else step(self, clip)

    return run


class Publisher:
    """The steps; `workflows` strings them together."""

    def __init__(
        self,
        ledger: Ledger,
        files: ClipFiles,
        grants: GrantService,
        cameos: CameoService,
        policy: PolicyEngine,
        scanner: LikenessScanner,
        finisher: Finisher,
    ) -> None:
        self._ledger = ledger
        self._files = files
        self._grants = grants
        self._cameos = cameos
        self._policy = policy
        self._scanner = scanner
        self._finisher = finisher

    def load(self, clip_id: ClipId) -> Clip:
        """Return a clip as it stands."""
        return self._ledger.read(clip_id)

    @_unless_at_rest
    def check_declared(self, clip: Clip) -> ClipState:
        """Ask the grants about every declared likeness, and about those of the clip's sources."""
        checks = tuple(self._check(clip, likeness) for likeness in self._likenesses(clip))
        return self._ledger.step(clip.clip_id, ClipState.CHECKING, checks=checks).state

    def _likenesses(self, clip: Clip) -> tuple[DeclaredLikeness, ...]:
        """Return whom a clip shows: as declared, and else as its sources declared. A remix inherits them."""
        with self._ledger.reading() as session:
            sources = repository.sources_of(session, clip.clip_id)
        shown = {each.likeness_id: each for each in clip.declaration.likenesses}
        for likeness in (each for source in sources for each in source.declaration.likenesses):
            shown.setdefault(likeness.likeness_id, likeness)
        return tuple(shown.values())

    def _check(self, clip: Clip, likeness: DeclaredLikeness) -> LikenessCheck:
        declaration = clip.declaration
        answer = self._grants.check(
            CheckRequest(
                relying_party_id=clip.relying_party_id,
                likeness_id=likeness.likeness_id,
                requester_id=declaration.requester_id,
                uses=frozenset(GrantUse(use) for use in likeness.uses),
                purpose=declaration.purpose,
                categories=declaration.categories,
                commercial=declaration.commercial,
                region=declaration.region,
                seconds=ceil(clip.source.seconds) or None,
                remix=bool(declaration.parents),
            )
        )
        return LikenessCheck(
            likeness_id=likeness.likeness_id,
            decision=str(answer.decision),
            reasons=answer.reasons,
            grant_id=answer.grant_id,
            policy_version=answer.policy_version,
            valid_until=answer.valid_until,
        )

    @_unless_at_rest
    def scan_for_undeclared(self, clip: Clip) -> ClipState:
        """Look and listen for every enrolled likeness, and for people nobody knows."""
        with self._ledger.reading() as session:
            gallery = self._cameos.gallery(session)
        scan = self._scanner.scan(self._source(clip), clip.source, clip.declaration, gallery)
        return self._ledger.step(clip.clip_id, ClipState.CHECKING, scan=scan).state

    @_unless_at_rest
    def decide(self, clip: Clip) -> ClipState:
        """Ask the policy whether the clip may be marked: on, refused, or held for a moderator."""
        if clip.scan is None:
            raise ValueError("a clip is scanned before it is decided on")
        question = PrepareClip(
            relying_party_id=clip.relying_party_id,
            clip_id=clip.clip_id,
            consents=count_checks(clip.checks),
            scan=count_scan(clip.scan, clip.ruling),
        )
        decision = decide_admission(clip.checks, self._policy.decide(question.request()))
        match decision.outcome:
            case Outcome.PROCEED:
                return clip.state
            case Outcome.REVIEW:
                case_id = CaseId(new_id("cas"))
                held = ClipState.NEEDS_REVIEW
                return self._ledger.end(clip.clip_id, held, decision.reasons, case_id=case_id).state
            case Outcome.REFUSE:
                return self._ledger.end(clip.clip_id, ClipState.REFUSED, decision.reasons).state

    @_unless_at_rest
    def record_intent(self, clip: Clip) -> ClipState:
        """Record the identifier before anything carries it; run again, it stays the same."""
        fresh = secrets.token_bytes(WATERMARK_BYTES)
        return self._ledger.step_with(
            clip.clip_id, ClipState.MARKING, lambda now: {"watermark": now.watermark or fresh}
        ).state

    @_unless_at_rest
    def mark(self, clip: Clip) -> ClipState:
        """Mark picture and sound with the one identifier."""
        report = self._finisher.mark(self._source(clip), self._files.work(clip.clip_id), _intended(clip))
        return self._ledger.step(clip.clip_id, ClipState.MARKING, marks=report.to_json()).state

    @_unless_at_rest
    def sign(self, clip: Clip) -> ClipState:
        """Sign the marked file; the manifest names the identifier and the grants, opaquely."""
        clip = self._ledger.step(clip.clip_id, ClipState.SIGNING)
        manifest = self._finisher.sign(self._marked(clip), self._claim(clip))
        return self._ledger.step(clip.clip_id, ClipState.SIGNING, manifest_id=manifest.manifest_id).state

    @_unless_at_rest
    def verify_output(self, clip: Clip) -> ClipState:
        """Read the finished file back as a stranger would."""
        return self._read_back(self._ledger.step(clip.clip_id, ClipState.VERIFYING)).state

    @_unless_at_rest
    def publish(self, clip: Clip) -> ClipState:
        """Recheck the grants and commit the verdict, the log entry, the notice and the file, or refuse."""
        if clip.output is None or clip.output.sha256 != sha256_of(self._signed(clip) / SIGNED):
            clip = self._read_back(clip)  # the work folder was lost, and the file made anew
        decision = self._judge(clip, self._ledger.clock.now())
        if decision.outcome is not Outcome.PROCEED:
            return self._ledger.end(clip.clip_id, ClipState.REFUSED, decision.reasons).state
        stored = self._store(clip)
        with self._ledger.transaction() as session:
            return self._commit(session, clip.clip_id, *stored).state

    def clean_up(self, clip_id: ClipId) -> ClipState:
        """Remove what a clip at rest no longer needs; a clip under review keeps its source.

        A clip that a moderator released meanwhile is under way again: its next round tidies up.
        """
        clip = self._ledger.read(clip_id)
        if clip.state not in RESTING:
            return clip.state
        self._files.discard_work(clip_id)
        if clip.state is not ClipState.NEEDS_REVIEW:
            self._files.delete(clip.source.key)
        file = clip.published
        kept = {file.key, manifest_key(clip_id, file.sha256)} if file else set[str]()
        for folder in ("published", "manifests"):
            for key in set(self._files.keys(f"{folder}/{clip_id}")) - kept:
                self._files.delete(key)
        return clip.state

    def end_stranded(self, job_state: Callable[[str], str | None]) -> int:
        """End clips whose job was given up, as one that killed its worker again and again; return how many.

        Args:
            job_state: Tells the state of a job by its id, as `JobRuntime.state` does.
        """
        with self._ledger.reading() as session:
            under_way = repository.unfinished(session)
        stranded = [clip.clip_id for clip in under_way if job_state(clip.job_id) in _GIVEN_UP]
        for clip_id in stranded:
            self.fail(clip_id, Reason.INTERNAL_ERROR)
            self.clean_up(clip_id)
        return len(stranded)

    def fail(self, clip_id: ClipId, reason: str) -> ClipState:
        """End a clip that could not be carried through."""
        known = reason if _CODE.fullmatch(reason) else Reason.INTERNAL_ERROR
        return self._ledger.end(clip_id, ClipState.FAILED, (known,)).state

    def _read_back(self, clip: Clip) -> Clip:
        folder = self._signed(clip)
        verdict, sha256 = self._finisher.verify(folder), sha256_of(folder / SIGNED)
        evidence = _evidence(clip, verdict, self._standings(clip), sha256)
        return self._ledger.step(clip.clip_id, ClipState.VERIFYING, output=evidence)

    def _judge(self, clip: Clip, now: datetime) -> Decision:
        """Decide on the read-back evidence with the grants as they stand at `now`."""
        if clip.output is None or clip.scan is None:
            raise ValueError("a clip is read back before it is published")
        evidence = clip.output.with_grants(self._standings(clip))
        heard = evidence.audio_payload is not None
        question = PublishClip(
            relying_party_id=clip.relying_party_id,
            clip_id=clip.clip_id,
            consents=count_standings(evidence, now),
            scan=count_scan(clip.scan, clip.ruling),
            video_mark_readable=evidence.video_payload == evidence.intended,
            has_sound=evidence.sound is Sound.AUDIBLE,
            audio_mark_readable=heard,
            signature_readable=evidence.intact is True and evidence.bound,
            signature_trusted=evidence.trusted is True,
        )
        return decide_publication(evidence, self._policy.decide(question.request()), now)

    def _standings(self, clip: Clip) -> tuple[GrantStanding, ...]:
        """Return what the grants are worth now: the clip's own, and those of its sources."""
        with self._ledger.reading() as session:
            sources = repository.sources_of(session, clip.clip_id)
            grant_ids = dict.fromkeys(grant_id for each in (clip, *sources) for grant_id in each.grant_ids)
            standings = self._grants.standing(session, grant_ids)
        until = {check.grant_id: check.valid_until for check in clip.checks}
        return tuple(
            GrantStanding(grant_id, str(standings.get(grant_id, "unknown")), until.get(grant_id))
            for grant_id in grant_ids
        )

    def _store(self, clip: Clip) -> tuple[PublishedFile, ManifestRow]:
        """Put the finished file and its detached manifest into the store, under names nobody knows yet."""
        signed = self._signed(clip) / SIGNED
        sha256 = sha256_of(signed)
        key = published_key(clip.clip_id, sha256)
        self._files.put(key, signed, "published file")
        manifest = self._finisher.sign(signed.parent, self._claim(clip))
        detached = manifest_key(clip.clip_id, sha256)
        self._files.put(detached, manifest.manifest, "manifest")
        intended = _intended(clip)
        row = ManifestRow(
            manifest_id=str(manifest.manifest_id),
            clip_id=clip.clip_id,
            watermark=intended,
            prefix=intended[:AUDIO_PREFIX_BYTES],
            key=detached,
            fingerprint=fingerprint_in(manifest),
            created_at=self._ledger.clock.now(),
        )
        return PublishedFile(key, sha256, signed.stat().st_size), row

    def _commit(self, session: Session, clip_id: ClipId, file: PublishedFile, manifest: ManifestRow) -> Clip:
        """Decide once more inside the transaction: a revocation is committed either before it, or after."""
        clip = repository.get(session, clip_id)
        if clip.state in RESTING:
            return clip
        now = self._ledger.clock.now()
        decision = self._judge(clip, now)
        if decision.outcome is not Outcome.PROCEED:
            return self._ledger.end_in(session, clip, ClipState.REFUSED, decision.reasons)
        repository.add_manifest(session, manifest)
        return self._ledger.end_in(
            session,
            clip,
            ClipState.PUBLISHED,
            (),
            published=file,
            published_at=now,
            manifest_id=manifest.manifest_id,
            consent=ClipConsent.STANDING,
        )

    def _claim(self, clip: Clip) -> ClaimRequest:
        generator = clip.declaration.generator
        return ClaimRequest(
            title=_TITLE,
            created_at=clip.created_at,
            generator=Generator(generator.name, generator.version),
            watermark_payload=_intended(clip),
            grants=tuple(self._reference(grant_id) for grant_id in clip.grant_ids),
            parents=self._parents(clip),
        )

    def _reference(self, grant_id: GrantId) -> GrantReference:
        found = self._grants.reference(grant_id)
        return GrantReference(found.grant_id, found.receipt_sha256, found.status_url)

    def _parents(self, clip: Clip) -> tuple[Path, ...]:
        """Fetch the published files this clip was made from; the manifest embeds their history."""
        folder = self._files.work(clip.clip_id)
        with self._ledger.reading() as session:
            parents = repository.published_among(session, clip.declaration.parents)
        files = (cast("PublishedFile", parent.published) for parent in parents)
        return tuple(self._files.fetch(file.key, folder / f"{file.sha256}.mp4") for file in files)

    def _source(self, clip: Clip) -> Path:
        return self._files.fetch(clip.source.key, self._files.work(clip.clip_id) / "source")

    def _marked(self, clip: Clip) -> Path:
        """Return the folder with the marked file, marking again if another machine had made it."""
        folder = self._files.work(clip.clip_id)
        if not (folder / MARKED).exists() and not (folder / SIGNED).exists():
            self._finisher.mark(self._source(clip), folder, _intended(clip))
        return folder

    def _signed(self, clip: Clip) -> Path:
        """Return the folder with the signed file, finishing again if another machine had made it."""
        folder = self._files.work(clip.clip_id)
        if not (folder / SIGNED).exists():
            self._finisher.sign(self._marked(clip), self._claim(clip))
        return folder


def _intended(clip: Clip) -> bytes:
    if clip.watermark is None:
        raise ValueError("the identifier is recorded before anything is marked with it")
    return clip.watermark


def _evidence(
    clip: Clip, verdict: Verdict, standings: tuple[GrantStanding, ...], sha256: str
) -> OutputEvidence:
    return OutputEvidence(
        intended=_intended(clip),
        sound=_sound(clip),
        video_payload=payload_read(verdict, "video"),
        audio_payload=payload_read(verdict, "audio"),
        intact=is_yes(verdict.intact),
        trusted=is_yes(verdict.trusted),
        bound=verdict.marked is Answer.YES,
        grants=standings,
        sha256=sha256,
    )


def _sound(clip: Clip) -> Sound:
    """Tell from the marking report whether there is sound to hear; sound too short to mark is still heard."""
    reason = (clip.marks or {}).get("audio_reason")
    return {NO_SOUND: Sound.ABSENT, SOUND_SILENT: Sound.SILENT}.get(str(reason), Sound.AUDIBLE)
