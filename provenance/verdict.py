"""The one answer about a file: values and their JSON, without any reading of files.

The `state` names what happened; `intact`, `trusted`, `marked` and `consented` are separate answers, because a
file can be intact and untrusted, or recovered and no longer consented.

    verified        the manifest is intact and its signer trusted untrusted       the manifest is intact, or
    was recovered, but its signer is not trusted tampered        the file no longer matches the manifest it
    carries recovered       no usable manifest, but the mark led to one that is as signed, trusted, and not of
    another picture mismatch        the mark belongs to another picture, or contradicts what a trusted
    manifest binds unresolved      a mark was found, but no manifest is known for it malformed       the file
    or its manifest cannot be parsed, and no mark was found no_credentials  neither manifest nor mark; this
    never means that the file is not synthetic
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provenance.answer import Answer
from provenance.lineage import LineageState, LineageVerdict
from provenance.manifests.claim import GrantReference


class VerdictState(StrEnum):
    """What a file turned out to be; see the module's table."""

    VERIFIED = "verified"
    UNTRUSTED = "untrusted"
    TAMPERED = "tampered"
    RECOVERED = "recovered"
    MISMATCH = "mismatch"
    UNRESOLVED = "unresolved"
    MALFORMED = "malformed"
    NO_CREDENTIALS = "no_credentials"


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """What the grants say today.

    Attributes:
        answer: `YES` only when every grant still stands.
        reasons: Codes such as `grant_revoked`.
    """

    answer: Answer
    reasons: tuple[str, ...] = ()


ConsentCheck = Callable[[tuple[GrantReference, ...]], ConsentAnswer]
NO_LINEAGE = LineageVerdict(LineageState.NONE, Answer.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answers about one file.

    Attributes:
        state: What happened, in one word.
        intact: Whether these bytes are the ones that were signed.
        trusted: Whether the manifest relied on was signed by someone we trust.
        marked: Whether picture or sound carries the mark that the manifest binds.
        consented: Whether the grants stand today, of this file and of what it was made from.
        lineage: What it was made from.
        manifest_id: URN of the manifest relied on, or of the one that the mark belongs to.
        grants: Consent references of that manifest.
        reasons: Sorted codes for everything that weighed against the file or stayed open.
        evidence: JSON values behind the answers.
    """

    state: VerdictState
    intact: Answer
    trusted: Answer
    marked: Answer
    consented: Answer
    lineage: LineageVerdict = NO_LINEAGE
    manifest_id: str | None = None
    grants: tuple[GrantReference, ...] = ()
    reasons: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def good(self) -> bool:
        """Verified or recovered, and nothing speaks against lineage or consent."""
        accepted = self.state in {VerdictState.VERIFIED, VerdictState.RECOVERED}
        return accepted and Answer.NO not in {self.lineage.sound, self.consented}

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "state": self.state,
            "good": self.good,
            "intact": self.intact,
            "trusted": self.trusted,
            "marked": self.marked,
            "consented": self.consented,
            "lineage": self.lineage.to_json(),
            "manifest_id": self.manifest_id,
            "grants": [grant.to_json() for grant in self.grants],
            "reasons": list(self.reasons),
            "evidence": dict(self.evidence),
        }
