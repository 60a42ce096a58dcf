"""Forward error correction: a rate 1/4 convolutional code of constraint length 9, decoded softly.

In: payload bits, `(n,)` of 0 and 1. Out: `4 * (n + 8)` coded values of +1 (bit 0) and -1 (bit 1), and back
from noisy soft values to the most likely payload bits. The encoder is flushed with eight zeros, so both ends
of the trellis are known.

Source: generators 463, 535, 733, 745 octal (Proakis, Digital Communications, table 8.2-3); Viterbi,
IEEE Trans. Inf. Theory 13(2), 1967.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CONSTRAINT: Final = 9
GENERATORS: Final = (0o463, 0o535, 0o733, 0o745)
RATE_INVERSE: Final = len(GENERATORS)
TAIL: Final = CONSTRAINT - 1
_STATES: Final = 1 << TAIL
_IMPOSSIBLE: Final = -1e9


def _branch_outputs() -> NDArray[np.float32]:
    """Return the coded values of every branch, shape `(input bit, state, generator)`, +1 or -1."""
    registers = np.arange(2 * _STATES).reshape(2, _STATES, 1)
    parity = np.bitwise_count(registers & np.array(GENERATORS)) & 1
    return np.asarray(1.0 - 2.0 * parity, np.float32)


_OUTPUTS: Final = _branch_outputs()
# Decoding walks states forward: a state's newest bit is its top bit, and two states lead to it.
_NEXT: Final = np.arange(_STATES)
_ARRIVED_BIT: Final = _NEXT >> (TAIL - 1)
_FROM_EVEN: Final = (2 * _NEXT) & (_STATES - 1)
_FROM_ODD: Final = _FROM_EVEN | 1
_EVEN_OUTPUTS: Final = _OUTPUTS[_ARRIVED_BIT, _FROM_EVEN].astype(np.float64)
_ODD_OUTPUTS: Final = _OUTPUTS[_ARRIVED_BIT, _FROM_ODD].astype(np.float64)


def coded_length(bits: int) -> int:
    """Return how many coded values `bits` payload bits become."""
    return RATE_INVERSE * (bits + TAIL)


def encode(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the coded values of `bits`, shape `(coded_length,)`, each +1 or -1."""
    flushed = np.concatenate([bits, np.zeros(TAIL, np.uint8)]).astype(np.intp)
    state, coded = 0, np.empty((len(flushed), RATE_INVERSE), np.float32)
    for step, bit in enumerate(flushed):
        coded[step] = _OUTPUTS[bit, state]
        state = ((int(bit) << TAIL) | state) >> 1
    return coded.reshape(-1)


def decode(soft: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the payload bits whose coded values correlate best with `soft`.

    Args:
        soft: `(coded_length,)`, positive where a coded +1 is likely; any common scale.
    """
    steps = soft.astype(np.float64).reshape(-1, RATE_INVERSE)
    came_from_odd = _forward(steps, payload=len(steps) - TAIL)
    state, bits = 0, np.empty(len(steps), np.uint8)
    for step in range(len(steps) - 1, -1, -1):
        bits[step] = _ARRIVED_BIT[state]
        state = int((_FROM_ODD if came_from_odd[step, state] else _FROM_EVEN)[state])
    return bits[: len(steps) - TAIL]


def _forward(steps: NDArray[np.float64], payload: int) -> NDArray[np.bool_]:
    """Return for every step and state whether the better path came from the odd predecessor."""
    metric = np.full(_STATES, _IMPOSSIBLE)
    metric[0] = 0.0
    from_odd = np.empty((len(steps), _STATES), np.bool_)
    even_gains, odd_gains = steps @ _EVEN_OUTPUTS.T, steps @ _ODD_OUTPUTS.T
    for step in range(len(steps)):
        even, odd = metric[_FROM_EVEN] + even_gains[step], metric[_FROM_ODD] + odd_gains[step]
        from_odd[step] = odd > even
        metric = np.maximum(even, odd)
        if step >= payload:
            metric[_ARRIVED_BIT == 1] = _IMPOSSIBLE
    return from_odd
