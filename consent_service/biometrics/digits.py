"""Hears which digits were spoken: a speech recognizer that can write nothing but digits.

In: `(samples,) float32, 16 kHz`, at most half a minute of it counts. Out: a string of digits.

Every token that is no part of a digit is suppressed while decoding, so the recognizer must choose among
digits even where a free one would write "for" or "won".

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2
(input).
"""

from typing import Any, Final

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio, Floats
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.runtime import Lazy
from consent_service.biometrics.spectral import HOP, mel_power
from consent_service.biometrics.transcripts import WORDS, digits_in

_PUNCTUATION: Final = (",", ".", " ", "-", " -")
_LONGEST_WORD: Final = 2  # tokens; a spelling in more pieces would let too many pieces through
_MEL_BANDS: Final = 80
_SECONDS: Final = 30
_MOST_TOKENS: Final = 24
_BEAM: Final = 5
_THREADS: Final = 2
_FILES: Final = ("digits-weights", "digits-config", "digits-tokenizer", "digits-vocabulary")


class DigitRecognizer:
    """Whisper tiny.en limited to digits; loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._model = Lazy(lambda: _Recognizer(models))

    def recognize(self, audio: Audio) -> str:
        """Return the digits heard, for example `"407192"`; empty when there are none."""
        return self._model.get().recognize(audio)


class _Recognizer:
    def __init__(self, models: ModelRegistry) -> None:
        weights, _, tokenizer, _ = (models.path(name) for name in _FILES)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._network: Any = ctranslate2.models.Whisper(
            str(weights.parent), device="cpu", compute_type="int8", intra_threads=_THREADS
        )
        self._prompt = [self._special("<|startoftranscript|>"), self._special("<|notimestamps|>")]
        self._suppressed = self._all_but_digits()

    def recognize(self, audio: Audio) -> str:
        (result,) = self._network.generate(
            ctranslate2.StorageView.from_array(_features(audio)),
            [self._prompt],
            beam_size=_BEAM,
            max_length=_MOST_TOKENS + len(self._prompt),
            suppress_tokens=self._suppressed,
        )
        return digits_in(self._tokenizer.decode(result.sequences_ids[0]))

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the tokenizer knows no `{token}`")
        return int(number)

    def _all_but_digits(self) -> list[int]:
        spellings = [
            form for word in (*WORDS, "oh") for form in (word, f" {word}", word.title(), f" {word.title()}")
        ]
        spellings += [form for digit in "0123456789" for form in (digit, f" {digit}")] + list(_PUNCTUATION)
        allowed = {self._special("<|endoftext|>")}
        for spelling in spellings:
            tokens = self._tokenizer.encode(spelling, add_special_tokens=False).ids
            if len(tokens) <= _LONGEST_WORD:
                allowed.update(tokens)
        return [token for token in range(self._tokenizer.get_vocab_size()) if token not in allowed]


def _features(audio: Audio) -> Floats:
    """Return `(1, 80, 3000)` log-mel features of half a minute, silence after the end."""
    length = _SECONDS * SAMPLE_RATE
    filled = np.zeros(length, np.float32)
    filled[: min(len(audio), length)] = audio[:length]
    mel = mel_power(filled, _MEL_BANDS)[: length // HOP].T
    log = np.log10(np.maximum(mel, 1e-10))
    log = (np.maximum(log, log.max() - 8) + 4) / 4
    return np.ascontiguousarray(log[None], np.float32)
