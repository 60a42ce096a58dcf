"""When two templates are of one person: comparison scores, operating points, three-valued decisions.

In: two templates, and for voices how long and clean the speech was. Out: a `ComparisonScore`. Between the
bound for a match and the bound for a non-match lies what the scores cannot tell; nobody is accused or let
in there.

The error rates are of the development media and hold for people like those: no operational figure is claimed.
With no error among n comparisons, the 95 % upper bound of a rate is 3/n.

Source: ISO/IEC 19795-1:2021, clauses 3 (FMR, FNMR) and B.1 (rule of three); ISO/IEC 2382-37, comparison
decision.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from consent_service.biometrics.arrays import Template


class Outcome(StrEnum):
    """A comparison decision."""

    MATCH = "match"
    NON_MATCH = "non_match"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Two bounds on a similarity score, and the error rates measured at them.

    Attributes:
        name: Recorded with every score, so that old decisions stay explainable.
        match: Scores from here on are a match.
        non_match: Scores below are a non-match.
        fmr: False match rate at `match`: impostor comparisons decided a match.
        fnmr: False non-match rate at `non_match`: genuine comparisons decided a non-match.
        genuine: Number of genuine comparisons measured.
        impostor: Number of impostor comparisons measured.
    """

    name: str
    match: float
    non_match: float
    fmr: float
    fnmr: float
    genuine: int
    impostor: int

    def decide(self, score: float) -> Outcome:
        """Return the decision on one similarity score."""
        if score >= self.match:
            return Outcome.MATCH
        return Outcome.NON_MATCH if score < self.non_match else Outcome.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class ComparisonScore:
    """How alike two templates are, and what follows.

    Attributes:
        value: Similarity; 1 is the same, larger is closer.
        point: The operating point in force.
    """

    value: float
    point: OperatingPoint

    @property
    def decision(self) -> Outcome:
        """What follows from the score."""
        return self.point.decide(self.value)


FACE: Final = OperatingPoint("face-dlib-1", 0.45, 0.35, fmr=0.0, fnmr=0.0, genuine=228, impostor=1257)
"""1 - Euclidean distance; at the match bound 5.3 % of genuine comparisons are not yet a match."""

FACE_CONSTANCY: Final = OperatingPoint(
    "face-constancy-dlib-1", 0.40, 0.30, 0.0008, 0.0, genuine=228, impostor=1257
)
"""1 - Euclidean distance, within one recording. Of many pairs the worst counts there, so the bounds lie
lower; a change of person shows in many pairs at once."""

VOICE_BRIEF: Final = OperatingPoint("voice-ge2e-brief-1", 0.77, 0.60, 0.0008, 0.0, 703, 14_900)
"""Cosine; 3 s of clean speech."""

VOICE_LONG: Final = OperatingPoint("voice-ge2e-long-1", 0.81, 0.70, 0.0010, 0.0051, 197, 6_300)
"""Cosine; 5 s of clean speech and more, which brings all scores up, so both bounds lie
higher."""

VOICE_NOISY: Final = OperatingPoint("voice-ge2e-noisy-1", 0.75, 0.50, 0.0005, 0.0, 703, 14_900)
"""Cosine; 3 s of speech 20 dB above white noise. The scores of one person fall first, so a low one says
less: at 10 dB, 3 % of genuine comparisons would be non-matches."""

_LONG_SECONDS: Final = 5.0
_CLEAN_DB: Final = 18.0


def compare_faces(a: Template, b: Template, point: OperatingPoint = FACE) -> ComparisonScore:
    """Compare two face templates.

    Args:
        a: `(128,) float32`.
        b: `(128,) float32`.
        point: Where to decide.
    """
    return ComparisonScore(1 - float(np.linalg.norm(a - b)), point)


def compare_voices(
    a: Template, b: Template, *, speech_seconds: float = 0.0, snr_db: float = _CLEAN_DB
) -> ComparisonScore:
    """Compare two voice templates.

    Args:
        a: `(256,) float32` of unit length.
        b: `(256,) float32` of unit length.
        speech_seconds: The shorter of both lengths of speech; brief unless told.
        snr_db: The lower of both signal-to-noise ratios, decibels; clean unless told.
    """
    if snr_db < _CLEAN_DB:
        point = VOICE_NOISY
    else:
        point = VOICE_LONG if speech_seconds >= _LONG_SECONDS else VOICE_BRIEF
    return ComparisonScore(float(np.dot(a, b)), point)
