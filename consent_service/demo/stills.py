"""A portrait made ready for the camera: face found, framed, with room about the frame to move in.

In: a picture. Out: a canvas somewhat larger than the frame, and the face's mesh on it.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.geometry import yaw_degrees

_MARGIN: Final = 48  # pixels of canvas beyond the frame on each side; a multiple of the warp's grid
_FACE_AT: Final = (0.5, 0.46)  # where the face's centre stands in the frame


@dataclass(frozen=True, slots=True)
class Canvas:
    """A framed portrait.

    Attributes:
        image: (height, width, 3) uint8 BGR, larger than the frame by a margin.
        points: (468, 3) float32 px on the canvas; depth grows away from the camera.
        size: (width, height) of the frame, px.
        yaw: How far the portrait itself is turned to the person's left, degrees.
    """

    image: NDArray[np.uint8]
    points: NDArray[np.float32]
    size: tuple[int, int]
    yaw: float


def frame_portrait(
    picture: NDArray[np.uint8], analyzer: FaceAnalyzer, size: tuple[int, int], face_height: float
) -> Canvas:
    """Place a portrait in a frame.

    Args:
        picture: (height, width, 3) uint8 BGR with one face.
        analyzer: Finds the face and its mesh.
        size: (width, height) of the frame, px.
        face_height: Height of the face, as a share of the frame's.

    Raises:
        ValueError: The picture shows no face.
    """
    faces = analyzer.detect(picture)
    if not faces:
        raise ValueError("the portrait shows no face")
    mesh = analyzer.mesh(picture, faces[0])
    points = mesh.points
    scale = face_height * size[1] / float(np.ptp(points[:, 1]))
    middle = (points[:, :2].min(0) + points[:, :2].max(0)) / 2
    target = np.array([size[0] * _FACE_AT[0], size[1] * _FACE_AT[1]]) + _MARGIN
    matrix = np.c_[np.eye(2) * scale, target - scale * middle]
    width, height = size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN
    placed = points * scale
    placed[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    image = _place(picture, matrix, (width, height))
    return Canvas(image, placed.astype(np.float32), size, yaw_degrees(mesh))


def _place(
    picture: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Scale a picture onto the canvas; what lies beyond its edges is continued softly."""
    scaling = cv2.INTER_LINEAR if matrix[0, 0] < 1 else cv2.INTER_CUBIC
    if matrix[0, 0] < 1:  # warpAffine does not average; blur first by what will be lost
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.45 / matrix[0, 0]), np.uint8)
    canvas = cv2.warpAffine(picture, matrix, size, flags=scaling, borderMode=cv2.BORDER_REPLICATE)
    covered = np.full(picture.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(covered, matrix, size, flags=cv2.INTER_LINEAR)
    share = cv2.GaussianBlur(inside, (0, 0), 3).astype(np.float32)[..., None] / 255
    soft = cv2.GaussianBlur(canvas, (0, 0), 24)
    return np.rint(canvas * share + soft * (1 - share)).astype(np.uint8)
