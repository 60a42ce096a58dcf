"""Pictures as arrays: YUV 4:2:0 planes for marking, upright BGR for looking at.

In: decoded PyAV frames of any pixel format, bit depth and chroma sampling. Out: numpy arrays, or frames ready
to be encoded. Sizes are made even by cutting the last column or row (never by resampling); higher bit depths
and other chroma samplings are converted to 8-bit 4:2:0 in the same colour matrix and range.
"""

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame as DecodedFrame
from numpy.typing import NDArray

_PLANAR_420 = ("yuv420p", "yuvj420p")
_FULL_RANGE = 2
_HIGH_DEFINITION_HEIGHT = 720
_BT709, _BT601, _UNSPECIFIED = 1, 5, 2
_QUARTER = 90


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How code values mean light (ITU-T H.273 code points; 2 is unspecified).

    Attributes:
        space: Matrix coefficients.
        range: 1 limited, 2 full, 0 unspecified.
        transfer: Transfer characteristics.
        primaries: Colour primaries.
    """

    space: int = _UNSPECIFIED
    range: int = 0
    transfer: int = _UNSPECIFIED
    primaries: int = _UNSPECIFIED

    @classmethod
    def of(cls, frame: DecodedFrame) -> "ColorTags":
        """Tags of a decoded frame."""
        full = _FULL_RANGE if frame.format.name.startswith("yuvj") else int(frame.color_range)
        is_rgb = frame.format.is_rgb
        # RGB pictures become YUV below, in BT.709 limited range, whatever their own tags say.
        space, range_ = (_BT709, 1) if is_rgb else (int(frame.colorspace), full)
        return cls(space, range_, int(frame.color_trc), int(frame.color_primaries))


def _plane(frame: DecodedFrame, index: int, width: int, height: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def to_420(frame: DecodedFrame) -> DecodedFrame:
    """The frame as 8-bit planar 4:2:0; its own planes where it is that already."""
    if frame.format.name in _PLANAR_420:
        return frame
    if frame.format.is_rgb:
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    return frame.reformat(format="yuv420p")


def planes_of(frame: DecodedFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the planes of a frame, with even sides.

    Args:
        frame: Any decoded frame.

    Returns:
        Y `(height, width)`, U and V `(height / 2, width / 2)` uint8: views where possible, not to be written.
    """
    planar = to_420(frame)
    width, height = planar.width & ~1, planar.height & ~1
    half = (width // 2, height // 2)
    return _plane(planar, 0, width, height), _plane(planar, 1, *half), _plane(planar, 2, *half)


def from_planes(
    luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8], tags: ColorTags
) -> DecodedFrame:
    """Build a frame for the encoder.

    Args:
        luma: Y `(height, width)` uint8, sides even.
        blue: U `(height / 2, width / 2)` uint8.
        red: V `(height / 2, width / 2)` uint8.
        tags: Colour tags to carry.

    Returns:
        A yuv420p frame without timestamp.
    """
    height, width = luma.shape
    frame = DecodedFrame(width, height, "yuv420p")
    for index, values in enumerate((luma, blue, red)):
        rows, columns = values.shape
        _plane(frame, index, columns, rows)[:] = values
    frame.colorspace, frame.color_range = tags.space, tags.range
    frame.color_trc, frame.color_primaries = tags.transfer, tags.primaries
    return frame


def quarter_turns(frame: DecodedFrame) -> int:
    """Counter-clockwise quarter turns that make the frame upright (0 to 3), from its display matrix."""
    return round(frame.rotation / _QUARTER) % 4


def upright(picture: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    """Turn a picture by counter-clockwise quarter turns; a view."""
    return np.rot90(picture, turns)


def fitted_size(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Size with the same shape whose longer side is at most `max_side`; at least one pixel each way."""
    longest = max(width, height)
    if max_side is None or longest <= max_side:
        return width, height
    return max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))


def to_bgr(frame: DecodedFrame, max_side: int | None = None) -> NDArray[np.uint8]:
    """An upright picture to look at.

    Args:
        frame: Any decoded frame.
        max_side: Longest side wanted, pixels; the picture is never enlarged.

    Returns:
        `(height, width, 3)` uint8 BGR, contiguous. Untagged video is read as BT.709 from 720 lines up and as
        BT.601 below, as players do.
    """
    width, height = fitted_size(frame.width, frame.height, max_side)
    matrix = {_BT709: "ITU709", 9: "BT2020"}.get(int(frame.colorspace), "ITU601")
    if frame.colorspace == _UNSPECIFIED and min(frame.width, frame.height) >= _HIGH_DEFINITION_HEIGHT:
        matrix = "ITU709"
    source = None if frame.format.is_rgb else matrix
    scaled = frame.reformat(width, height, "bgr24", src_colorspace=source, interpolation="AREA")
    rows = _plane(scaled, 0, width * 3, height).reshape(height, width, 3)
    return np.ascontiguousarray(upright(rows, quarter_turns(frame)))
