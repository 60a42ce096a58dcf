"""Names of the arrays that pass through this floor, so that signatures say what they mean."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""`(height, width, 3) uint8 BGR`."""

Audio: TypeAlias = NDArray[np.float32]
"""`(samples,) float32, 16 kHz`, full scale at 1.0."""

Template: TypeAlias = NDArray[np.float32]
"""`(128,) float32` of a face or `(256,) float32` of a voice."""

Floats: TypeAlias = NDArray[np.float32]
"""Any other `float32` array; its docstring gives the shape."""

SAMPLE_RATE = 16_000
