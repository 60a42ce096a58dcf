"""What a mark says: an opaque identifier, authenticated, whitened and protected against errors.

In: an identifier (8 bytes in the picture, its first 5 in the sound) and the epoch's key. Out: coded values of
+1 and -1 for the carriers, and back from soft values to the identifier, or None when the tag does not match.
A tag of 32 bits makes one decoding attempt on anything unmarked succeed with probability 2^-32; the detector
counts its attempts and states the bound.

Source: FIPS 198-1 (HMAC); a short tag suffices because an attempt needs this service's own detector and key
(NIST SP 800-107 rev. 1 clause 5.3.3).
"""

import hashlib
import hmac
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import convolution
from provenance.watermark.keyed import KeyedStream
from provenance.watermark.keys import WatermarkKey

PAYLOAD_BYTES: Final = 8
AUDIO_PREFIX_BYTES: Final = 5
TAG_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class PayloadFormat:
    """How an identifier is packed for one modality.

    Attributes:
        modality: `video` or `audio`; separates the derived keys.
        identifier_bytes: Length of the identifier that is carried.
    """

    modality: str
    identifier_bytes: int

    @property
    def bits(self) -> int:
        """Identifier and tag, in bits."""
        return 8 * (self.identifier_bytes + TAG_BYTES)

    @property
    def coded_length(self) -> int:
        """Number of coded values."""
        return convolution.coded_length(self.bits)

    def encode(self, key: WatermarkKey, identifier: bytes) -> NDArray[np.float32]:
        """Return the coded values of `identifier`, shape `(coded_length,)`, +1 or -1.

        Raises:
            ValueError: `identifier` has the wrong length.
        """
        if len(identifier) != self.identifier_bytes:
            raise ValueError(f"the {self.modality} mark carries {self.identifier_bytes} bytes")
        plain = np.frombuffer(identifier + self._tag(key, identifier), np.uint8)
        return convolution.encode(np.unpackbits(plain) ^ _whitening(key, self))

    def decode(self, key: WatermarkKey, soft: NDArray[np.floating]) -> bytes | None:
        """Return the identifier whose tag matches, or None; the tags are compared in constant time."""
        bits = convolution.decode(soft) ^ _whitening(key, self)
        data = np.packbits(bits).tobytes()
        identifier, tag = data[: self.identifier_bytes], data[self.identifier_bytes :]
        return identifier if hmac.compare_digest(tag, self._tag(key, identifier)) else None

    def _tag(self, key: WatermarkKey, identifier: bytes) -> bytes:
        secret = key.derive(f"{self.modality} tag")
        return hmac.new(secret, identifier, hashlib.sha256).digest()[:TAG_BYTES]


VIDEO: Final = PayloadFormat("video", PAYLOAD_BYTES)
AUDIO: Final = PayloadFormat("audio", AUDIO_PREFIX_BYTES)


@lru_cache(maxsize=16)
def _whitening(key: WatermarkKey, form: PayloadFormat) -> NDArray[np.uint8]:
    """Return the bits that hide the payload, so that equal identifiers look random under each epoch."""
    return KeyedStream(key.derive(f"{form.modality} whitening")).bits(form.bits)


def false_positive_bits(attempts: int) -> float:
    """Return n such that unmarked media yield an identifier with probability at most 2^-n.

    Args:
        attempts: Decodings tried on this medium, over all keys.
    """
    return 8 * TAG_BYTES - math.log2(max(attempts, 1))


def margin(signed: NDArray[np.floating]) -> float:
    """Return how far a mark stands from failing: mean over standard deviation of its signed soft values.

    Decoding starts to fail near 0.9 (Es/N0 of -4 dB; rate 1/4, K = 9); twice that tolerates four times the
    noise.

    Args:
        signed: Soft values, each times the coded value that was embedded.
    """
    spread = float(signed.std())
    return float(signed.mean()) / spread if spread > 0 else 0.0
