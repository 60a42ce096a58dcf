"""What a verdict means, said in one plain sentence; and what grants' standings answer about consent. Pure.

In: a `Verdict`; the standings of the grants a manifest names. Out: a sentence for people; a three-valued
answer. The answers stay separate: a file may be intact and no longer consented.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from provenance.answer import Answer
from provenance.verdict import ConsentAnswer, Verdict, VerdictState

_SENTENCES: Final[Mapping[VerdictState, str]] = {
    VerdictState.VERIFIED: "This file is unchanged since it was signed by a signer we trust",
    VerdictState.UNTRUSTED: "This file carries a signature, but not of a signer we trust",
    VerdictState.TAMPERED: "This file was changed after it was signed",
    VerdictState.RECOVERED: "This is a changed copy; its watermark led back to the signed original",
    VerdictState.MISMATCH: "The watermark in this file belongs to another picture",
    VerdictState.UNRESOLVED: "This file carries a watermark, but nothing is known of its origin here",
    VerdictState.MALFORMED: "This file is broken, or is no media we can read",
    VerdictState.NO_CREDENTIALS: "Nothing in this file tells where it comes from; that proves nothing",
}
_CONSENT: Final[Mapping[Answer, str]] = {
    Answer.YES: "; the consent behind it stands.",
    Answer.NO: "; the consent behind it no longer stands.",
    Answer.UNKNOWN: ".",
}


def sentence(verdict: Verdict) -> str:
    """Say what a verdict means."""
    return _SENTENCES[verdict.state] + _CONSENT[verdict.consented]


def consent_of(standings: Iterable[str]) -> ConsentAnswer:
    """Answer whether all grants stand: one withdrawn or ended says no, one unknown leaves it open."""
    found = sorted(set(standings))
    ended = tuple(f"grant_{standing}" for standing in found if standing not in {"valid", "unknown"})
    if ended:
        return ConsentAnswer(Answer.NO, ended)
    if found != ["valid"]:
        return ConsentAnswer(Answer.UNKNOWN, ("grant_unknown",) if found else ("no_grants_stated",))
    return ConsentAnswer(Answer.YES)
