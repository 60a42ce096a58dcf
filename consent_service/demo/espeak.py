"""Speaks one text with espeak-ng and ends: `python -m consent_service.demo.espeak VOICE RATE PITCH`.

In: the text on standard input; the rate in words a minute. Out: on standard output four bytes with the
sample rate, then 16-bit samples, all little-endian. A process of its own because the synthesiser keeps state
from one utterance to the next; only a fresh one says the same text the same way. The library is the one in
piper-tts, whose Python binding reaches its phonemes alone; the functions called here are those of
`espeak-ng/speak_lib.h`.
"""

import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Final

_RETRIEVAL: Final = 1  # espeak_AUDIO_OUTPUT: hand the samples to a callback, play nothing
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_UTF8: Final = 1
_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def speak(voice: str, words_per_minute: int, pitch: int, text: bytes) -> tuple[int, bytes]:
    """Return the sample rate and the samples, 16-bit little-endian.

    Raises:
        LookupError: There is no such voice, or piper-tts is not installed.
    """
    chunks: list[bytes] = []

    def receive(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(receive)
    package = _package()
    library = ctypes.CDLL(str(next(package.glob("espeakbridge*.so"))))
    rate = int(library.espeak_Initialize(_RETRIEVAL, 0, str(package / "espeak-ng-data").encode(), 0))
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise LookupError(f"espeak-ng has no voice `{voice}`")
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    return rate, b"".join(chunks)


def _package() -> Path:
    """Return the folder of piper-tts, found without importing it."""
    found = importlib.util.find_spec("piper")
    if found is None or found.origin is None:
        raise LookupError("piper-tts is not installed; it comes with the extra `studio`")
    return Path(found.origin).parent


def main() -> None:
    """Speak what the command line and standard input ask for."""
    voice, words_per_minute, pitch = sys.argv[1:]
    try:
        rate, sound = speak(voice, int(words_per_minute), int(pitch), sys.stdin.buffer.read())
    except LookupError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(rate.to_bytes(4, "little") + sound)


if __name__ == "__main__":
    main()
