"""Finds faces: two BlazeFace networks, near and far, and a tiled search for small faces.

In: an image. Out: boxes with six keypoints, largest first.

Source: Bazarevsky et al. 2019, "BlazeFace", sections 3 and 4 (anchors of one size per cell); the offsets
are in network pixels, two anchors per cell and layer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from consent_service.biometrics.arrays import Floats, Image
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.runtime import ImageNetwork, Lazy

_LOGIT_LIMIT: Final = 80.0  # beyond it the exponential of a float32 overflows
_OVERLAP: Final = 0.3  # intersection over union above which two boxes are one face
_TILE_OVERLAP: Final = 0.25  # of a tile's side, so that a face on a seam is whole in one tile
_NEAR_SIDE: Final = 128
_FAR_SIDE: Final = 256


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face found in an image.

    Attributes:
        box: x, y, width, height in pixels; may reach over the image's edge.
        score: The detector's confidence, 0 to 1.
        keypoints: `(6, 2) float32` pixels: right eye, left eye, nose tip, mouth, right ear, left ear of the
            person.
    """

    box: tuple[float, float, float, float]
    score: float
    keypoints: Floats

    @property
    def area(self) -> float:
        """Area of the box, square pixels."""
        return self.box[2] * self.box[3]


class FaceDetector:
    """The two detectors; loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._near = Lazy(lambda: _BlazeFace(models, "face-detector-near", _NEAR_SIDE, (8, 16, 16, 16)))
        self._far = Lazy(lambda: _BlazeFace(models, "face-detector-far", _FAR_SIDE, (16, 32, 32, 32)))

    def near(self, bgr: Image, minimum_score: float) -> tuple[DetectedFace, ...]:
        """Return faces of a person before a camera, largest first; 2 ms."""
        return _largest_first(self._near.get().find(bgr, minimum_score))

    def everywhere(self, bgr: Image, minimum_score: float) -> tuple[DetectedFace, ...]:
        """Return faces of every size, largest first: both networks, the far one on tiles too."""
        found = self._near.get().find(bgr, minimum_score) + self._far.get().find(bgr, minimum_score)
        for left, top, tile in _tiles(bgr):
            found += [_moved(face, left, top) for face in self._far.get().find(tile, minimum_score)]
        return _largest_first(_distinct(found))


class _BlazeFace:
    def __init__(self, models: ModelRegistry, model_id: str, side: int, strides: tuple[int, ...]) -> None:
        self._network = ImageNetwork(models.path(model_id), ("regressors", "classificators"))
        self._side = side
        self._anchors = _anchors(side, strides)

    def find(self, bgr: Image, minimum_score: float) -> list[DetectedFace]:
        canvas, restore = _letterbox(bgr, self._side)
        offsets, logits = self._network.run(canvas[..., ::-1].astype(np.float32) / 127.5 - 1)
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -_LOGIT_LIMIT, _LOGIT_LIMIT)))
        likely = np.flatnonzero(scores >= minimum_score)
        # Eight points per anchor: the box's centre, its size, six keypoints.
        points = offsets.reshape(-1, 8, 2)[likely]
        points[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[likely, None] * self._side
        return _distinct([_face(p, float(scores[i]), restore) for p, i in zip(points, likely, strict=True)])


def _anchors(side: int, strides: tuple[int, ...]) -> Floats:
    """Return `(anchors, 2)` centres, 0 to 1; cells of one stride carry two anchors per layer."""
    centres = []
    for stride in sorted(set(strides)):
        cells = side // stride
        grid = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        layer = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(layer, 2 * strides.count(stride), axis=0))
    return np.concatenate(centres)


def _letterbox(bgr: Image, side: int) -> tuple[Image, Callable[[Floats], Floats]]:
    """Return the image fitted into a square, and the way back from the square's pixels to the image's."""
    height, width = bgr.shape[:2]
    scale = side / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (side - fitted[0]) // 2, (side - fitted[1]) // 2
    canvas = np.zeros((side, side, 3), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[top : top + fitted[1], left : left + fitted[0]] = cv2.resize(bgr, fitted, interpolation=method)
    stretch = np.array([width / fitted[0], height / fitted[1]], np.float32)
    return canvas, lambda points: (points - np.array([left, top], np.float32)) * stretch


def _face(points: Floats, score: float, restore: Callable[[Floats], Floats]) -> DetectedFace:
    corners = restore(np.stack([points[0] - points[1] / 2, points[0] + points[1] / 2]))
    (left, top), (right, bottom) = corners.tolist()
    return DetectedFace((left, top, right - left, bottom - top), score, restore(points[2:]))


def _tiles(bgr: Image) -> Iterator[tuple[int, int, Image]]:
    height, width = bgr.shape[:2]
    tile_height, tile_width = (round(side * (1 + _TILE_OVERLAP) / 2) for side in (height, width))
    for top in (0, height - tile_height):
        for left in (0, width - tile_width):
            yield left, top, bgr[top : top + tile_height, left : left + tile_width]


def _moved(face: DetectedFace, left: int, top: int) -> DetectedFace:
    x, y, width, height = face.box
    offset = np.array([left, top], np.float32)
    return DetectedFace((x + left, y + top, width, height), face.score, face.keypoints + offset)


def _distinct(faces: list[DetectedFace]) -> list[DetectedFace]:
    """Keep the most confident of boxes that overlap or lie one inside the other (a face cut by a tile)."""
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_same(face, other) < _OVERLAP for other in kept):
            kept.append(face)
    return kept


def _same(a: DetectedFace, b: DetectedFace) -> float:
    width = min(a.box[0] + a.box[2], b.box[0] + b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[1] + a.box[3], b.box[1] + b.box[3]) - max(a.box[1], b.box[1])
    shared = max(width, 0.0) * max(height, 0.0)
    inside = shared / max(min(a.area, b.area), 1e-6)
    union = shared / max(a.area + b.area - shared, 1e-6)
    return max(union, inside / 2)


def _largest_first(faces: list[DetectedFace]) -> tuple[DetectedFace, ...]:
    return tuple(sorted(faces, key=lambda face: -face.area))
