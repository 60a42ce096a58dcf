"""Short-time spectra on the mel scale, as the speaker encoder and the digit recognizer were trained on them.

In: `(samples,) float32, 16 kHz`. Out: `(frames, bands) float32` power. Pure.

Source: librosa's Slaney-style filters (Slaney 1998, "Auditory Toolbox"), which both models were trained with.
"""

from typing import Final

import numpy as np
from librosa.feature import melspectrogram  # at once: librosa's lazy loading would stall the first request

from consent_service.biometrics.arrays import SAMPLE_RATE, Audio, Floats

WINDOW: Final = 400  # 25 ms
HOP: Final = 160  # 10 ms


def mel_power(audio: Audio, bands: int) -> Floats:
    """Return `(samples // 160 + 1, bands)` power in mel bands, frames centred on their instant.

    Args:
        audio: `(samples,) float32, 16 kHz`.
        bands: Number of mel bands between 0 and 8 kHz.
    """
    # Padded here, not by librosa, which warns of sound shorter than a window.
    padded = np.pad(audio, WINDOW // 2, mode="reflect" if len(audio) > WINDOW // 2 else "constant")
    power = melspectrogram(y=padded, sr=SAMPLE_RATE, n_fft=WINDOW, hop_length=HOP, n_mels=bands, center=False)
    return np.asarray(power.T, np.float32)
