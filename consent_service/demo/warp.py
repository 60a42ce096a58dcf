"""One portrait, turned, tilted and made to speak by warping it through the 468-point face mesh.

In: a canvas with the mesh of its face, and a pose. Out: one frame. The mesh points move as a rigid head does
in space, so that a turn shows true parallax; rings around the face carry the movement out into hair and
shoulders, and the border stands still, so that no frame has a hole.

The mesh says where each point of the portrait goes; a frame needs to know where each pixel comes from. That
inverse is found by damped fixed-point iteration on a coarse grid, which is quick and always smooth.
Source: Chen et al., "A simple fixed-point approach to invert a deformation field", Med. Phys. 35 (2008).
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay

from consent_service.demo.stills import Canvas

_STEP: Final = 4  # pixels between neighbours of the coarse grid
_HALF_CELL: Final = np.float32((_STEP - 1) / 2)  # from a cell's corner to its centre, pixels
_ITERATIONS: Final = 14
_CLOSE_ENOUGH: Final = 0.05  # pixels
_DAMPING: Final = 0.6

# The oval of the face, from the forehead clockwise.
_OVAL: Final = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
_RINGS: Final = ((1.35, 0.55), (1.8, 0.2))  # (size relative to the face, share of its movement)
_CHIN: Final = 152
_UPPER_LIDS: Final = [161, 160, 159, 158, 157, 384, 385, 386, 387, 388]
_LOWER_LIDS: Final = [163, 144, 145, 153, 154, 381, 380, 374, 373, 390]
_INNER_LOWER_LIP: Final = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
_CAVITY: Final = (24.0, 18.0, 38.0)  # BGR of an open mouth
_DROP: Final = 0.13  # how far a wide open mouth drops, as a share of the face's width

Points = NDArray[np.float64]
Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pose:
    """What the head does in one frame; degrees; positive yaw is to the subject's own left.

    Attributes:
        yaw: Turn about the vertical axis, degrees.
        pitch: Nod, degrees, positive downwards.
        roll: Tilt, degrees, positive clockwise in the picture.
        mouth: 0 as in the portrait, 1 wide open.
        blink: 0 as in the portrait, 1 closed.
        shift: Movement of the camera, pixels, (x, y).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    mouth: float = 0.0
    blink: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


class MeshWarp:
    """A canvas made ready to be posed: triangulated once, then a few milliseconds for each frame."""

    def __init__(self, canvas: Canvas) -> None:
        self._image = canvas.image
        self._size = canvas.size
        self._points = canvas.points.astype(np.float64)
        self._width = float(np.linalg.norm(self._points[234, :2] - self._points[454, :2]))
        depth = float(self._points[:, 2].mean()) + 0.35 * self._width  # the neck's axis, behind the face
        self._centre = np.array([self._points[:, 0].mean(), self._points[:, 1].mean(), depth])
        self._anchors = self._place_anchors()
        self._operator = _interpolation(self._anchors, canvas.image.shape[:2])
        width, height = canvas.size
        self._pixels = _pixels(height, width)
        self._grid = _grid(height // _STEP, width // _STEP)

    def render(self, pose: Pose) -> Frame:
        """Return the frame `(height, width, 3) uint8 BGR` in which the head has this pose."""
        source = self._invert(self._field(self._moved(pose)), pose.shift)
        frame = self._sample(source)
        if pose.mouth > 0.0:
            self._open_mouth(frame, source, pose)
        return frame

    def _sample(self, source: NDArray[np.float32]) -> Frame:
        """Return the canvas seen at these positions."""
        x, y = np.ascontiguousarray(source[..., 0]), np.ascontiguousarray(source[..., 1])
        picked = cv2.remap(self._image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(picked, np.uint8)

    def _moved(self, pose: Pose) -> Points:
        """Return the mesh `(468, 3)` px after the blink and the turn of the head."""
        points = self._points.copy()
        gap = points[_LOWER_LIDS, 1] - points[_UPPER_LIDS, 1]
        points[_UPPER_LIDS, 1] += 0.85 * pose.blink * gap
        return np.asarray(_rotated(points - self._centre, pose) + self._centre)

    def _place_anchors(self) -> Points:
        """Return `(anchors, 2)` px: the mesh, rings about it, and the border of the canvas."""
        centre = self._points[:, :2].mean(0)
        oval = self._points[_OVAL, :2]
        rings = [centre + (oval - centre) * size for size, _ in _RINGS]
        height, width = self._image.shape[:2]
        along, down = np.linspace(-1, width, 9), np.linspace(-1, height, 9)
        border = [(x, y) for x in along for y in (-1, height)] + [(x, y) for y in down for x in (-1, width)]
        return np.vstack([self._points[:, :2], *rings, np.unique(border, axis=0)])

    def _field(self, moved: Points) -> NDArray[np.float32]:
        """Return how far each point of the coarse grid moves, `(rows, columns, 2)` px."""
        step = moved[:, :2] - self._points[:, :2]
        rings = [step[_OVAL] * share for _, share in _RINGS]
        still = np.zeros((len(self._anchors) - len(step) - len(_RINGS) * len(_OVAL), 2))
        field = self._operator @ np.vstack([step, *rings, still])
        height, width = self._image.shape[:2]
        grid = field.reshape(height // _STEP, width // _STEP, 2).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(grid, (0, 0), 1.0), np.float32)

    def _invert(self, field: NDArray[np.float32], shift: tuple[float, float]) -> NDArray[np.float32]:
        """Return where each pixel of the frame comes from, `(height, width, 2)` px of the canvas."""
        corner = self._origin + np.asarray(shift, np.float32)
        goal = self._grid + corner
        source = goal.copy()
        for _ in range(_ITERATIONS):
            x, y = np.moveaxis((source - _HALF_CELL) / _STEP, 2, 0)
            moved = cv2.remap(
                field,
                np.ascontiguousarray(x),
                np.ascontiguousarray(y),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            )
            missed = goal - source - moved
            source += _DAMPING * missed
            if np.abs(missed).max() < _CLOSE_ENOUGH:
                break
        offset = cv2.resize(source - self._grid, self._size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(offset + self._pixels, np.float32)

    @property
    def _origin(self) -> NDArray[np.float32]:
        """Where the resting frame's top left corner lies on the canvas, px."""
        height, width = self._image.shape[:2]
        return np.array([(width - self._size[0]) / 2, (height - self._size[1]) / 2], np.float32)

    def _open_mouth(self, frame: Frame, source: NDArray[np.float32], pose: Pose) -> None:
        """Drop the lower lip and the chin.

        The lips part: below the lower lip the picture comes from higher up the canvas, above it nothing
        moves, and what lies between is dark. Towards the corners of the mouth the drop falls to nothing, so
        that the two parts of the picture meet without a seam.
        """
        lip = self._points[_INNER_LOWER_LIP]
        opened = lip.copy()
        opened[:, 1] += pose.mouth * self._drop(lip[:, :2])
        rest, opened = (self._seen(points, pose) for points in (lip, opened))
        chin = self._seen(self._points[[_CHIN]], pose)[0, 1] + 0.35 * self._width
        below = np.vstack([opened, (opened[-1, 0], chin), (opened[0, 0], chin)])
        box = _box(np.vstack([rest, below]), frame.shape)
        jaw = self._sample(self._dropped(source[box], pose.mouth))
        _blend(frame[box], jaw, below - (box[1].start, box[0].start), 0.8)
        dark = np.broadcast_to(np.array(_CAVITY), jaw.shape)
        _blend(frame[box], dark, np.vstack([rest, opened[::-1]]) - (box[1].start, box[0].start), 1.0)

    def _drop(self, points: NDArray[np.floating]) -> Points:
        """Return how far points `(..., 2)` px of the canvas drop when the mouth opens wide, px."""
        corners = self._points[[_INNER_LOWER_LIP[0], _INNER_LOWER_LIP[-1]], :2]
        half = float(np.ptp(corners[:, 0])) / 2
        across = np.clip((points[..., 0] - corners[:, 0].mean()) / half, -1, 1)
        beneath = (points[..., 1] - float(self._points[_CHIN, 1])) / (0.5 * self._width)
        fade = np.clip(1 - beneath, 0, 1)
        return np.asarray(_DROP * self._width * np.cos(across * math.pi / 2) ** 0.8 * fade)

    def _dropped(self, source: NDArray[np.float32], mouth: float) -> NDArray[np.float32]:
        """Return where the lower face's pixels come from, given where they would with the mouth closed."""
        at = source.copy()
        for _ in range(4):
            at[..., 1] = source[..., 1] - mouth * self._drop(at)
        return at

    def _seen(self, points: Points, pose: Pose) -> Points:
        """Return where points `(n, 3)` of the resting head appear in the frame, `(n, 2)` px."""
        turned = _rotated(points - self._centre, pose)[:, :2] + self._centre[:2]
        return np.asarray(turned - self._origin - np.asarray(pose.shift))


def _box(points: Points, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return rows and columns of the frame that hold these points, with a little room."""
    left, top = np.maximum(points.min(0).astype(int) - 8, 0)
    right, bottom = np.minimum(points.max(0).astype(int) + 8, (shape[1], shape[0]))
    return slice(int(top), max(int(bottom), int(top) + 1)), slice(int(left), max(int(right), int(left) + 1))


def _blend(patch: Frame, other: NDArray[Any], outline: Points, softness: float) -> None:
    """Put `other` into `patch` inside an outline, with a soft edge of so many pixels."""
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (255.0,), cv2.LINE_AA, shift=4)
    share = cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32)[..., None] / 255
    patch[:] = np.rint(patch * (1 - share) + other * share).astype(np.uint8)


def _rotated(points: Points, pose: Pose) -> Points:
    """Turn `(n, 3)` about the origin by yaw, then pitch, then roll; depth grows away from the camera."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    x, y, z = points.T
    x, z = x * math.cos(yaw) - z * math.sin(yaw), x * math.sin(yaw) + z * math.cos(yaw)
    y, z = y * math.cos(pitch) - z * math.sin(pitch), y * math.sin(pitch) + z * math.cos(pitch)
    x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
    return np.stack([x, y, z], axis=1)


def _interpolation(anchors: Points, shape: tuple[int, ...]) -> csr_matrix:
    """Return the linear map from values at the anchors to values on the coarse grid (barycentric weights)."""
    height, width = shape[:2]
    grid = _grid(height // _STEP, width // _STEP).reshape(-1, 2).astype(np.float64)
    mesh = Delaunay(anchors)
    inside = mesh.find_simplex(grid)
    transform = mesh.transform[inside]
    two = np.einsum("nij,nj->ni", transform[:, :2], grid - transform[:, 2])
    weights = np.c_[two, 1 - two.sum(1)]
    rows = np.repeat(np.arange(len(grid)), 3)
    columns = mesh.simplices[inside].ravel()
    return csr_matrix((weights.ravel(), (rows, columns)), shape=(len(grid), len(anchors)))


def _grid(rows: int, columns: int) -> NDArray[np.float32]:
    """Return the centres of the coarse cells, `(rows, columns, 2)` px."""
    return _pixels(rows, columns) * _STEP + _HALF_CELL


def _pixels(rows: int, columns: int) -> NDArray[np.float32]:
    """Return the (x, y) of every pixel, `(rows, columns, 2)`."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)
