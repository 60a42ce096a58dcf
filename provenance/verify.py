"""What is this file? Ordered checks that make one verdict.

In: a file from anywhere, whom we trust, the watermark keys, a manifest repository, a way to ask about consent
(each of the last three may be missing). Out: a `Verdict`; `provenance.verdict` documents its states. An
exception means that the question could not be answered, never that the answer is bad.

The order, repeated beside the code:

    1. read the manifest, in the sandbox
    2. look for the mark in picture and sound
    3. a readable manifest decides: intact? trusted? does the mark agree with what it binds?
    4. without one, the mark leads to stored manifests; the picture and the manifest itself must agree with it
    5. without either, the picture alone gives hints
    6. judge the lineage of the manifest relied on
    7. ask what the grants say today

Serves: C2PA 2.x clauses 15 (validation) and 18.10 (soft binding); C2PA Soft Binding Resolution API 2.4.
"""

from dataclasses import dataclass, field
from pathlib import Path

from provenance.agreement import Mark, agreement, binds
from provenance.answer import Answer
from provenance.errors import (
    DecoderCrashedError,
    EmptyMediaError,
    MalformedMediaError,
    MediaError,
    MediaLimitError,
    NotMediaError,
)
from provenance.lineage import assess, walk
from provenance.manifests import GrantReference, ManifestReading, TrustPolicy, read_file, read_recovered
from provenance.media import DEFAULT_LIMITS, MediaLimits, probe
from provenance.softbinding.assertion import FINGERPRINT_ALG
from provenance.softbinding.fingerprint import Fingerprint, fingerprint_file, same_content
from provenance.softbinding.repository import ManifestRepository
from provenance.softbinding.resolution import Candidate, resolve_fingerprint, resolve_watermark
from provenance.verdict import NO_LINEAGE, ConsentAnswer, ConsentCheck, Verdict, VerdictState
from provenance.watermark import KeyRing, detect_file

__all__ = ["ConsentAnswer", "ConsentCheck", "Verdict", "VerdictState", "verify_file"]

_BROKEN = (EmptyMediaError, NotMediaError, MalformedMediaError, DecoderCrashedError)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What steps 3 to 5 concluded, before lineage and consent."""

    state: VerdictState
    marked: Answer
    reading: ManifestReading | None = None
    manifest_id: str | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Inspection:
    """The file and everything the steps may ask."""

    path: Path
    trust: TrustPolicy
    keys: KeyRing | None
    repository: ManifestRepository | None
    limits: MediaLimits
    deep: bool = field(default=True)


def verify_file(
    path: Path,
    *,
    trust: TrustPolicy,
    keys: KeyRing | None,
    repository: ManifestRepository | None,
    consent: ConsentCheck | None,
    limits: MediaLimits = DEFAULT_LIMITS,
    deep: bool = True,
) -> Verdict:
    """Say what a file is.

    Args:
        path: Any file.
        trust: Anchors for signers and timestamps.
        keys: Watermark keys; without them no mark can be read.
        repository: Where marks lead to manifests.
        consent: Asked with every grant of the file and of what it was made from.
        limits: Bounds for the sandboxed readers.
        deep: Search longer for a mark that was scaled or cropped, when the file has no intact manifest.

    Raises:
        MediaLimitError: The file is over a limit.
        SandboxUnavailableError: Files from outside cannot be read safely here.
    """
    job = _Inspection(path, trust, keys, repository, limits, deep)
    # 1. Read the manifest, in the sandbox.
    reading = _read_manifest(job)
    # 2. Look for the mark in picture and sound.
    mark = _find_mark(job, thorough=deep and not reading.intact)
    # 3. A readable manifest decides.
    if reading.present and not reading.malformed:
        finding = _by_manifest(job, reading, mark)
    # 4. Without one, the mark leads to stored manifests.
    elif mark.payload is not None:
        finding = _by_mark(job, reading, mark)
    # 5. Without either, the picture alone gives hints.
    else:
        finding = _by_picture(job, reading, mark)
    # 6. and 7. Lineage, and what the grants say today.
    return _conclude(finding, reading, mark, consent)


def _read_manifest(job: _Inspection) -> ManifestReading:
    try:
        return read_file(job.path, trust=job.trust, limits=job.limits)
    except MediaLimitError:
        raise
    except MediaError as error:
        return ManifestReading(present=False, malformed=True, reasons=(error.code,))


def _find_mark(job: _Inspection, *, thorough: bool) -> Mark:
    try:
        if job.keys is None:
            probe(job.path, job.limits)
            return Mark(reason="no_watermark_keys")
        return Mark(detect_file(job.path, keys=job.keys, limits=job.limits, deep=thorough))
    except MediaLimitError:
        raise
    except MediaError as error:
        return Mark(reason=error.code, broken=isinstance(error, _BROKEN))


def _by_manifest(job: _Inspection, reading: ManifestReading, mark: Mark) -> _Finding:
    marked, reasons = agreement(reading, mark)
    state = _own_state(reading)
    candidates: tuple[Candidate, ...] = ()
    if "watermark_disagrees" in reasons:
        # The mark speaks of another clip: name it, and let no trusted manifest cover for it.
        candidates = _candidates(job, mark.payload)
        state = VerdictState.MISMATCH if state is VerdictState.VERIFIED else state
    return _Finding(state, marked, reading, reading.manifest_id, reading.reasons + reasons, candidates)


def _own_state(reading: ManifestReading) -> VerdictState:
    if not reading.intact:
        return VerdictState.TAMPERED
    return VerdictState.VERIFIED if reading.trusted else VerdictState.UNTRUSTED


def _by_mark(job: _Inspection, reading: ManifestReading, mark: Mark) -> _Finding:
    candidates = _candidates(job, mark.payload)
    reasons = reading.reasons
    if not candidates:
        code = "no_repository" if job.repository is None else "watermark_unknown_to_repository"
        return _Finding(VerdictState.UNRESOLVED, Answer.YES, reasons=(*reasons, code))
    if len(candidates) > 1:
        reasons += ("several_manifests",)
    best = candidates[0]
    found = read_recovered(job.path, best.stored.manifest, trust=job.trust, limits=job.limits)
    if not found.claim_intact or not binds(found, mark.payload):
        reasons += ("stored_manifest_unusable",)
        return _Finding(VerdictState.UNRESOLVED, Answer.YES, reasons=reasons, candidates=candidates)
    same, picture_reasons = _same_picture(job, found, best)
    _, mark_reasons = agreement(found, mark)
    reasons += picture_reasons + mark_reasons + found.reasons
    if same is Answer.NO or "watermark_disagrees" in mark_reasons:
        identity = found.manifest_id
        return _Finding(VerdictState.MISMATCH, Answer.NO, None, identity, reasons, candidates)
    state = VerdictState.RECOVERED if found.trusted else VerdictState.UNTRUSTED
    return _Finding(state, Answer.YES, found, found.manifest_id, reasons, candidates)


def _same_picture(
    job: _Inspection, found: ManifestReading, best: Candidate
) -> tuple[Answer, tuple[str, ...]]:
    """Compare with the fingerprint that was signed; the repository's copy stands in for a missing one."""
    signed = next((one.value for one in found.soft_bindings if one.alg == FINGERPRINT_ALG), None)
    same = best.same_content
    if signed is not None and signed != best.stored.fingerprint:
        same = _compare(_fingerprint(job), signed)
    named = {Answer.NO: ("picture_differs",), Answer.UNKNOWN: ("picture_not_compared",), Answer.YES: ()}
    return same, named[same]


def _compare(ours: Fingerprint | None, signed: bytes) -> Answer:
    try:
        return same_content(ours.distance(Fingerprint.decode(signed)) if ours else None)
    except ValueError:
        return Answer.UNKNOWN


def _by_picture(job: _Inspection, reading: ManifestReading, mark: Mark) -> _Finding:
    reasons = reading.reasons + ((mark.reason,) if mark.reason else ())
    marked = Answer.UNKNOWN if mark.report is None else Answer.NO
    if reading.malformed or mark.broken:
        return _Finding(VerdictState.MALFORMED, marked, reasons=reasons)
    candidates = resolve_fingerprint(_fingerprint(job), job.repository) if job.repository else ()
    if candidates:
        reasons += ("similar_picture_known",)
    return _Finding(VerdictState.NO_CREDENTIALS, marked, reasons=reasons, candidates=candidates)


def _candidates(job: _Inspection, payload: bytes | None) -> tuple[Candidate, ...]:
    if job.repository is None or payload is None:
        return ()
    return resolve_watermark(payload, _fingerprint(job), job.repository)


def _fingerprint(job: _Inspection) -> Fingerprint | None:
    try:
        return fingerprint_file(job.path, job.limits)
    except MediaLimitError:
        raise
    except MediaError:
        return None


def _conclude(
    finding: _Finding, embedded: ManifestReading, mark: Mark, consent: ConsentCheck | None
) -> Verdict:
    relied = finding.reading
    # 6. Judge the lineage of the manifest relied on.
    lineage = assess(relied) if relied is not None and relied.claim_intact else NO_LINEAGE
    # 7. Ask what the grants say today.
    asked = _ask_consent(finding, consent)
    return Verdict(
        state=finding.state,
        intact=_intact(finding, embedded),
        trusted=Answer.of(relied.trusted if relied is not None else None),
        marked=finding.marked,
        consented=asked.answer,
        lineage=lineage,
        manifest_id=finding.manifest_id,
        grants=relied.grants if relied is not None else (),
        reasons=tuple(sorted({*finding.reasons, *lineage.reasons, *asked.reasons})),
        evidence=_evidence(finding, mark),
    )


def _intact(finding: _Finding, embedded: ManifestReading) -> Answer:
    if finding.reading is None:
        return Answer.of(embedded.intact)
    return Answer.of(finding.reading.intact)


def _ask_consent(finding: _Finding, consent: ConsentCheck | None) -> ConsentAnswer:
    relied = finding.reading
    if relied is None or not relied.trusted or not relied.claim_intact:
        # Anyone can write a grant's number into a manifest: only a trusted, unchanged claim is asked about.
        return ConsentAnswer(Answer.UNKNOWN, ("no_grants_to_rely_on",))
    grants = _all_grants(relied)
    if not grants:
        return ConsentAnswer(Answer.UNKNOWN, ("no_grants_stated",))
    return consent(grants) if consent is not None else ConsentAnswer(Answer.UNKNOWN, ("consent_not_asked",))


def _all_grants(reading: ManifestReading) -> tuple[GrantReference, ...]:
    """Grants of the file and of everything it was made from: a remix stands only while its sources do."""
    inherited = (grant for one in walk(reading.ingredients) for grant in one.grants)
    return tuple(dict.fromkeys((*reading.grants, *inherited)))


def _evidence(finding: _Finding, mark: Mark) -> dict[str, object]:
    relied = finding.reading
    return {
        "manifest": relied.to_json() if relied is not None else None,
        "watermark": mark.report.to_json() if mark.report is not None else None,
        "candidates": [candidate.to_json() for candidate in finding.candidates],
    }
