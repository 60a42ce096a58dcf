"""Keyed randomness that never changes: from a derived key to permutations, signs and phases.

In: 32 bytes derived from a watermark key. Out: arrays that are the same on every machine and with every
release of numpy, because the stream is ChaCha20 and the arithmetic on it is written here. A generator whose
stream may change between library versions would orphan every mark ever embedded.

Source: RFC 8439 (ChaCha20).
"""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

_START = bytes(16)  # counter and nonce; a derived key is used for one purpose only


class KeyedStream:
    """An endless, reproducible sequence of 64-bit words under one derived key."""

    def __init__(self, derived_key: bytes) -> None:
        self._cipher = Cipher(ChaCha20(derived_key, _START), mode=None).encryptor()

    def words(self, count: int) -> NDArray[np.uint64]:
        """Return the next `count` words, shape `(count,)`."""
        return np.frombuffer(self._cipher.update(bytes(8 * count)), dtype="<u8").astype(np.uint64)

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """Return the next `count` numbers in [0, 1), 53 bits each."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def bits(self, count: int) -> NDArray[np.uint8]:
        """Return the next `count` bits, each taken from the top of a word."""
        return (self.words(count) >> np.uint64(63)).astype(np.uint8)

    def signs(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` values of +1 or -1."""
        return (1.0 - 2.0 * self.bits(count)).astype(np.float32)

    def phases(self, count: int) -> NDArray[np.complex128]:
        """Return the next `count` points of the unit circle."""
        return np.asarray(np.exp(2j * np.pi * self.uniforms(count)), np.complex128)

    def permutation(self, count: int) -> NDArray[np.intp]:
        """Return a permutation of `range(count)`: the order that sorts fresh words."""
        return np.argsort(self.words(count), kind="stable")

    def below(self, limit: int) -> int:
        """Return one number in `range(limit)`; the bias of the remainder is under `limit` / 2^64."""
        return int(self.words(1)[0]) % limit
