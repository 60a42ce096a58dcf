"""The sound's pattern: which cells carry the pilot, which the payload, and with what sign.

In: a key. Out: a `SoundLayout` shared by embedder and detector. The pattern repeats every 5.12 s; three cells
in ten are a pilot known from the key alone.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.cells import BANDS, SLOTS, Grid
from provenance.watermark.keyed import KeyedStream
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.pattern import spread
from provenance.watermark.payload import AUDIO

PILOT_SHARE: Final = 0.3
_LEAST_SHARE: Final = 0.3
_LARGEST_SHARE: Final = 2.0


@dataclass(frozen=True, slots=True)
class SoundLayout:
    """Cells of one key, by their index in the flattened `(64, 56)` grid.

    Attributes:
        signs: Secret sign of every cell, `(3584,)`.
        pilots: Cells of the pilot.
        data: Cells of the payload.
        assignment: For each data cell the coded value it carries.
    """

    signs: NDArray[np.float64]
    pilots: NDArray[np.intp]
    data: NDArray[np.intp]
    assignment: NDArray[np.intp]

    def pilot_grid(self) -> Grid:
        """Return the pilot, `(64, 56)`: its sign, or zero."""
        grid = np.zeros(SLOTS * BANDS)
        grid[self.pilots] = self.signs[self.pilots]
        return grid.reshape(SLOTS, BANDS)

    def grid(self, coded: NDArray[np.float32]) -> Grid:
        """Return the sign of every cell for a payload, `(64, 56)`."""
        grid: NDArray[np.float64] = self.signs.copy()
        grid[self.data] *= coded[self.assignment]
        return grid.reshape(SLOTS, BANDS)

    def soft_values(self, received: Grid) -> NDArray[np.float64]:
        """Return the soft coded values of a folded grid that starts where the pattern does."""
        flat = received.reshape(-1)[self.data] * self.signs[self.data]
        soft = np.bincount(self.assignment, weights=flat, minlength=AUDIO.coded_length)
        return np.asarray(soft, np.float64)


@lru_cache(maxsize=8)
def sound_layout_for(key: WatermarkKey) -> SoundLayout:
    """Return the cells of `key`."""
    stream = KeyedStream(key.derive("audio layout"))
    cells = SLOTS * BANDS
    order, pilots = stream.permutation(cells), int(cells * PILOT_SHARE)
    signs = stream.signs(cells).astype(np.float64)
    return SoundLayout(
        signs, order[:pilots], order[pilots:], spread(stream, cells - pilots, AUDIO.coded_length)
    )


@dataclass(frozen=True, slots=True)
class SoundPattern:
    """The pattern of one clip's sound: all that an embedder needs, and nothing of the key beyond it.

    Attributes:
        signs: Sign of every cell's change, `(64, 56)`, from the clip's first slot on.
        groups: Which coded value every cell supports, `(64, 56)`; -1 for the pilot.
    """

    signs: Grid
    groups: NDArray[np.intp]

    @classmethod
    def saying(cls, key: WatermarkKey, identifier: bytes) -> "SoundPattern":
        """Return the pattern that says `identifier` (5 bytes)."""
        layout, start = sound_layout_for(key), _clip_phase(key, identifier)
        groups = np.full(SLOTS * BANDS, -1, np.intp)
        groups[layout.data] = layout.assignment
        signs = layout.grid(AUDIO.encode(key, identifier))
        return cls(np.roll(signs, -start, axis=0), np.roll(groups.reshape(SLOTS, BANDS), -start, axis=0))

    def changes(self, pilot: float, change: NDArray[np.float64], shares: Grid) -> Grid:
        """Return the change of every cell in decibels, `(64, 56)`.

        Args:
            pilot: Change of the pilot's cells.
            change: Change of each coded value's cells, `(coded_length,)`.
            shares: Each cell's share of it, `(64, 56)`.
        """
        return np.asarray(self.signs * np.append(change, pilot)[self.groups] * shares, np.float64)

    def shares(self, receptivity: Grid) -> Grid:
        """Return shares in proportion to receptivity, mean 1 over each coded value's cells, `(64, 56)`."""
        groups = np.where(self.groups < 0, AUDIO.coded_length, self.groups).reshape(-1)
        total = np.bincount(groups, weights=receptivity.reshape(-1)) + np.finfo(np.float32).tiny
        mean = (total / np.bincount(groups))[groups].reshape(receptivity.shape)
        return np.asarray(np.clip(receptivity / mean, _LEAST_SHARE, _LARGEST_SHARE), np.float64)

    def responses(self, received: Grid) -> NDArray[np.float64]:
        """Return for every coded value the mean level of its cells in the wanted direction."""
        data = self.groups >= 0
        count = np.bincount(self.groups[data], minlength=AUDIO.coded_length)
        total = np.bincount(
            self.groups[data], weights=(received * self.signs)[data], minlength=AUDIO.coded_length
        )
        return np.asarray(total / count, np.float64)


def _clip_phase(key: WatermarkKey, identifier: bytes) -> int:
    """Return the slot of the pattern at which this clip starts; it differs from clip to clip."""
    return KeyedStream(key.derive(f"audio phase {identifier.hex()}")).below(SLOTS)
