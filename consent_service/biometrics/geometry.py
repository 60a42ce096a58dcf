"""What a face's shape says: which way it looks, whether it has depth, how wide the mouth stands open.

In: meshes. Out: degrees and ratios, all independent of the size of the image. Pure.

Directions are the filmed person's own: a positive yaw is a turn to their left, which shows as a turn
towards the right edge of a picture that is not mirrored.
"""

import math
from typing import Final

import cv2
import numpy as np

from consent_service.biometrics.arrays import Floats, Image
from consent_service.biometrics.detection import DetectedFace
from consent_service.biometrics.faces import FaceMesh

_RIGHT_EDGE, _LEFT_EDGE = 234, 454  # where the cheeks meet the ears
_RIGHT_EYE, _LEFT_EYE = 33, 263  # outer corners
_UPPER_LIP, _LOWER_LIP = 13, 14  # inner edges
# Points of bone rather than muscle: eye corners, ridge and wings of the nose, edge of the face, brow and
# chin.
_RIGID: Final = (33, 133, 362, 263, 168, 6, 197, 195, 1, 4, 98, 327, 234, 454, 127, 356, 93, 323, 10, 151)


def yaw_degrees(mesh: FaceMesh) -> float:
    """Return how far the head is turned to the person's left, degrees; negative to the right."""
    across = mesh.points[_LEFT_EDGE] - mesh.points[_RIGHT_EDGE]
    return math.degrees(math.atan2(float(across[2]), float(across[0])))


def eye_distance(mesh: FaceMesh) -> float:
    """Return the distance between the outer eye corners, pixels."""
    return float(np.linalg.norm(mesh.points[_LEFT_EYE, :2] - mesh.points[_RIGHT_EYE, :2]))


def mouth_opening(mesh: FaceMesh) -> float:
    """Return the gap between the lips, in distances between the outer eye corners."""
    gap = float(np.linalg.norm(mesh.points[_UPPER_LIP, :2] - mesh.points[_LOWER_LIP, :2]))
    return gap / max(eye_distance(mesh), 1e-6)


def parallax_residual(a: FaceMesh, b: FaceMesh) -> float:
    """Return how badly one plane explains both views of a face, in distances between the outer eye corners.

    Two views of anything flat (a photograph, a screen) are related by a homography; a head turned between the
    views is not, because the nose stands before the ears. Root mean square of what a homography leaves over.

    Args:
        a: Face turned one way.
        b: The same face turned the other way.

    Source: Hartley and Zisserman, "Multiple View Geometry", 2nd ed., result 13.1 (plane-induced homography).
    """
    source, target = _rigid(a), _rigid(b)
    homography, _ = cv2.findHomography(source, target, 0)
    if homography is None:  # degenerate: all points on a line, so no evidence of depth
        return 0.0
    mapped = cv2.perspectiveTransform(source[None], homography)[0]
    residual = math.sqrt(float(((mapped - target) ** 2).sum(axis=1).mean()))
    return residual / max(eye_distance(b), 1e-6)


def brightness(bgr: Image, face: DetectedFace) -> float:
    """Return the mean luma of the face, 0 (black) to 1 (white)."""
    height, width = bgr.shape[:2]
    x, y, w, h = face.box
    left, right = sorted((min(max(round(x), 0), width), min(max(round(x + w), 0), width)))
    top, bottom = sorted((min(max(round(y), 0), height), min(max(round(y + h), 0), height)))
    region = bgr[top:bottom, left:right]
    return float(cv2.cvtColor(region, cv2.COLOR_BGR2GRAY).mean()) / 255 if region.size else 0.0


def _rigid(mesh: FaceMesh) -> Floats:
    return np.ascontiguousarray(mesh.points[list(_RIGID), :2])
