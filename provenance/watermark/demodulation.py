"""From a spectrum in the right geometry to soft payload values.

In: the half spectrum of the straightened picture and the pilot's shift. Out: one soft value per coded value.
The shift is refined to a quarter of a sample; the pilot's gain and noise, measured per ring of frequencies,
weigh the data carriers, because compression removes the rings one by one from outside.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.pattern import BAND, Layout
from provenance.watermark.payload import VIDEO

_FRACTIONS: Final = np.arange(-0.75, 0.76, 0.25)
_RINGS: Final = 8
_SMALLEST_WEIGHT: Final = 1e-3  # of the largest


def soft_values(
    layout: Layout, spectrum: NDArray[np.complex64], shift: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the soft coded values, `(coded_length,)`, scaled to a standard deviation of 1.

    Args:
        layout: Carriers of the key.
        spectrum: `(512, 257)`, straightened and unmirrored.
        shift: Where the pilot's correlation peaks, (row, column).
    """
    received = spectrum[layout.rows, layout.columns] * np.conj(layout.phases)
    aligned = received * _best_shift(layout, received, shift)
    weighted = (aligned * _weights(layout, aligned))[layout.pilots :]
    values = np.concatenate([weighted.real, weighted.imag])
    soft = np.bincount(layout.assignment, weights=values, minlength=VIDEO.coded_length)
    return soft / (soft.std() or 1.0)


def _best_shift(
    layout: Layout, received: NDArray[np.complex64], shift: tuple[int, int]
) -> NDArray[np.complex128]:
    """Return the phase of the shift, refined to a fraction of a sample, that fits the pilots best."""
    pilots = received[: layout.pilots]
    down = np.exp(2j * np.pi * np.outer(shift[0] + _FRACTIONS, layout.vertical))
    right = np.exp(2j * np.pi * np.outer(shift[1] + _FRACTIONS, layout.horizontal))
    fit = ((down[:, : layout.pilots] * pilots) @ right[:, : layout.pilots].T).real
    row, column = np.unravel_index(int(np.argmax(fit)), fit.shape)
    return np.asarray(down[row] * right[column])


def _weights(layout: Layout, aligned: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return gain over noise power for each carrier, estimated from the pilots of its ring."""
    position = (layout.radius - BAND[0]) / (BAND[1] - BAND[0])
    ring = np.minimum((position * _RINGS).astype(np.intp), _RINGS - 1)
    pilot_ring, pilots = ring[: layout.pilots], aligned[: layout.pilots]
    count = np.bincount(pilot_ring, minlength=_RINGS)
    gain = np.maximum(np.bincount(pilot_ring, weights=pilots.real, minlength=_RINGS) / count, 0)
    noise = np.bincount(pilot_ring, weights=np.abs(pilots - gain[pilot_ring]) ** 2, minlength=_RINGS) / (
        2 * count
    )
    weight = gain / (noise + np.finfo(np.float64).tiny)
    smallest = _SMALLEST_WEIGHT * weight.max() + np.finfo(np.float64).tiny
    return np.asarray(np.maximum(weight, smallest)[ring], np.float64)
