"""Faces as the service measures them: where they are, their shape, their template.

In: images. Out: `DetectedFace`, `FaceMesh`, templates of 128 numbers. Templates are personal data: they
leave this module only as return values and are stored sealed.

Source: Kartynnik et al. 2019, "Real-time Facial Surface Geometry"; He et al. 2016 as trained by King for
dlib.
"""

import math
import threading
from dataclasses import dataclass
from typing import Any, Final

import cv2
import dlib
import numpy as np

from consent_service.biometrics.arrays import Floats, Image, Template
from consent_service.biometrics.detection import DetectedFace, FaceDetector
from consent_service.biometrics.registry import ModelRegistry
from consent_service.biometrics.runtime import ImageNetwork, Lazy

_MESH_SIDE: Final = 192
_MESH_MARGIN: Final = 1.5  # the mesh was trained on boxes enlarged by half
_MESH_POINTS: Final = 468
_MINIMUM_DETECTION: Final = 0.5
_MINIMUM_MESH: Final = 0.5
# Outer and inner corner of the left eye, of the right eye, base of the nose: dlib's five points on this mesh.
_FIVE_POINTS: Final = (263, 362, 33, 133, 2)


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """The surface of one face.

    Attributes:
        points: `(468, 3) float32`: x, y in pixels of the image, z in the same unit, negative towards the
            camera.
        score: Confidence that there is a face at all, 0 to 1.
    """

    points: Floats
    score: float

    @property
    def found(self) -> bool:
        """Whether the mesh network too sees a face; it refuses most of what a detector takes for one."""
        return self.score >= _MINIMUM_MESH


class FaceAnalyzer:
    """Detects, measures and describes faces; models are loaded on first use, safe in threads."""

    def __init__(self, models: ModelRegistry) -> None:
        self._detector = FaceDetector(models)
        self._mesh = Lazy(lambda: ImageNetwork(models.path("face-mesh"), ("conv2d_20", "conv2d_30")))
        self._encoder = Lazy(lambda: dlib.face_recognition_model_v1(str(models.path("face-template"))))
        self._encoding = threading.Lock()

    def detect(self, bgr: Image, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        """Return the faces in an image, largest first.

        Args:
            bgr: `(height, width, 3) uint8 BGR`, upright.
            thorough: Look for small faces too, as in a scene with several people; about 30 times slower.
        """
        if thorough:
            return self._detector.everywhere(bgr, _MINIMUM_DETECTION)
        return self._detector.near(bgr, _MINIMUM_DETECTION)

    def mesh(self, bgr: Image, face: DetectedFace) -> FaceMesh:
        """Return the surface points of one detected face."""
        to_crop = _crop_transform(face)
        crop = cv2.warpAffine(bgr, to_crop, (_MESH_SIDE, _MESH_SIDE), flags=cv2.INTER_LINEAR)
        surface, presence = self._mesh.get().run(crop[..., ::-1].astype(np.float32) / np.float32(255))
        points = surface.reshape(_MESH_POINTS, 3)
        to_image = cv2.invertAffineTransform(to_crop).astype(np.float32)
        plane = points[:, :2] @ to_image[:, :2].T + to_image[:, 2]
        depth = points[:, 2:] * math.hypot(to_image[0, 0], to_image[1, 0])
        score = 1 / (1 + math.exp(-float(presence.reshape(-1)[0])))
        return FaceMesh(np.concatenate([plane, depth], axis=1), score)

    def template(self, bgr: Image, mesh: FaceMesh) -> Template:
        """Return the face template `(128,) float32`; two of them are compared by Euclidean distance.

        Args:
            bgr: The image the mesh was measured on.
            mesh: From `mesh`.
        """
        encoder = self._encoder.get()
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        with self._encoding:
            return np.array(encoder.compute_face_descriptor(rgb, _five_points(mesh)), np.float32)


def _crop_transform(face: DetectedFace) -> Floats:
    """Return the `(2, 3)` transform from the image to an upright square around the face."""
    x, y, width, height = face.box
    centre_x, centre_y = x + width / 2, y + height / 2
    right_eye, left_eye = face.keypoints[0], face.keypoints[1]
    tilt = math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
    scale = _MESH_SIDE / (_MESH_MARGIN * max(width, height))
    cos, sin = math.cos(tilt) * scale, math.sin(tilt) * scale
    middle = _MESH_SIDE / 2
    return np.array(
        [
            [cos, sin, middle - cos * centre_x - sin * centre_y],
            [-sin, cos, middle + sin * centre_x - cos * centre_y],
        ],
        np.float32,
    )


def _five_points(mesh: FaceMesh) -> Any:  # noqa: ANN401 - dlib ships no annotations
    corners = mesh.points[list(_FIVE_POINTS), :2].round().astype(int)
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    points = dlib.points([dlib.point(x, y) for x, y in corners.tolist()])
    return dlib.full_object_detection(dlib.rectangle(left, top, right, bottom), points)
