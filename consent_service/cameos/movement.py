"""Reads a head's movement: its turns and their order, and what makes a recording known again.

In: one measurement per frame. Out: turns, the extreme frames, a signature of the movement. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_service.cameos.domain import Turn

ENTER_DEGREES: Final = 11.0
"""A turn begins here; reading aloud a face stays within some 6 degrees."""

LEAVE_DEGREES: Final = 7.0
"""A turn ends here; the gap between both keeps a trembling head from counting twice."""

_SMOOTHED: Final = 3  # frames; one wrong mesh makes no turn
SIGNATURE_RATE: Final = 10.0
_SAME_SOUND: Final = 0.95
_SAME_MOVEMENT: Final = 0.95
_MOST_SHIFT: Final = 5  # steps of a tenth of a second: cut ends and encoder delay
_LEAST_OVERLAP: Final = 20

Signature = NDArray[np.float16]
"""`(steps, 3) float16`: yaw, mouth and loudness, ten times a second."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What one frame shows of the head.

    Attributes:
        seconds: When.
        yaw: Degrees to the person's left; negative to the right.
        mouth: Opening in eye distances.
    """

    seconds: float
    yaw: float
    mouth: float


def turns(yaws: Sequence[float]) -> tuple[Turn, ...]:
    """Return the turns of a head, in order.

    Args:
        yaws: Degrees, one per frame, positive to the person's left.
    """
    seen: list[Turn] = []
    current: Turn | None = None
    for yaw in _centred(yaws):
        if current is not None and abs(yaw) < LEAVE_DEGREES:
            current = None
        side = Turn.LEFT if yaw > 0 else Turn.RIGHT
        if abs(yaw) >= ENTER_DEGREES and side is not current:
            seen.append(side)
            current = side
    return tuple(seen)


def extremes(yaws: Sequence[float]) -> tuple[int, int]:
    """Return the frames turned furthest right and left, however little that is."""
    centred = _centred(yaws)
    return int(centred.argmin()), int(centred.argmax())


def _centred(yaws: Sequence[float]) -> NDArray[np.float64]:
    """Return yaw about the direction the face looks in most of the time, smoothed."""
    if not yaws:
        return np.empty(0)
    values = np.asarray(yaws, np.float64)
    half = _SMOOTHED // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), _SMOOTHED)
    return np.median(windows, axis=1) - np.median(values)


def signature(moments: Sequence[Moment], loudness: NDArray[np.float32], seconds: float) -> Signature:
    """Return `(steps, 3) float16`: yaw, mouth and loudness, ten times a second.

    Args:
        moments: Frames with a face, in order.
        loudness: `(steps,)` from `loudness_of`; may be empty.
        seconds: Length of the recording.
    """
    steps = np.arange(max(1, int(seconds * SIGNATURE_RATE))) / SIGNATURE_RATE
    if not moments:
        return np.zeros((len(steps), 3), np.float16)
    at = [moment.seconds for moment in moments]
    yaw = np.interp(steps, at, [moment.yaw for moment in moments])
    mouth = np.interp(steps, at, [moment.mouth for moment in moments])
    sound = np.zeros(len(steps))
    sound[: len(loudness)] = loudness[: len(steps)]
    return np.stack([yaw, mouth, sound], axis=1).astype(np.float16)


def same_recording(a: Signature, b: Signature) -> bool:
    """Tell whether two signatures are of one recording, whatever was done to its encoding.

    Either the sound follows the same course, or head and mouth together do: an old picture under a new
    voice is an old recording too.
    """
    yaw, mouth, sound = (_agreement(a[:, column], b[:, column]) for column in range(3))
    return sound >= _SAME_SOUND or min(yaw, mouth) >= _SAME_MOVEMENT


def _agreement(a: Signature, b: Signature) -> float:
    """Return the best correlation of two courses over small shifts, -1 to 1."""
    best = -1.0
    for shift in range(-_MOST_SHIFT, _MOST_SHIFT + 1):
        left, right = (a[shift:], b) if shift >= 0 else (a, b[-shift:])
        length = min(len(left), len(right))
        if length < max(_LEAST_OVERLAP, 0.8 * max(len(a), len(b))):
            continue
        best = max(best, correlation(left[:length], right[:length]))
    return best


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return Pearson's correlation, 0 where one course is constant."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale > 0 else 0.0
