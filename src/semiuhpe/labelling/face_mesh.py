"""MediaPipe's face mesh as a teacher: its 3-D points, laid on the mean face of the official labels.

The mesh comes in a weak-perspective camera: x and y in pixels, z in the same unit, into the scene. So the pose is the
rotation that takes the mean face to the points (Kabsch 1976; Umeyama 1991), over the 51 inner landmarks; the jaw of a
mesh lies elsewhere than the silhouette on which annotators place it. Needs the extra `mediapipe`, whose wheel has the model.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.errors import MissingExtraError
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import Float, project_to_rotation
from semiuhpe.labelling.opinion import ViewAnswer
from semiuhpe.sources.landmarks.face_model import INNER, default_face_model

SIZE = 256
POINTS = 468

MESH_TO_68: tuple[int, ...] = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 98, 97, 2, 326, 327,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # lips outside
    78, 82, 13, 312, 308, 317, 14, 87,  # lips inside
)  # fmt: skip
"""The mesh point at each of the 68 iBUG landmarks."""

_CONFIDENCE = 0.5  # of the mesh that there is a face


class FaceMesh:
    """The mesh on crops of (SIZE, SIZE). Raises MissingExtraError without mediapipe.

    One mesh a thread, since none may be used by two; each picture is taken by itself, so their order changes nothing.
    """

    size = SIZE

    def __init__(self) -> None:
        try:
            import mediapipe
            from mediapipe.python.solutions import face_mesh
        except ImportError as error:
            raise MissingExtraError("the face mesh as a teacher", "mediapipe") from error
        self._solution, self._of_thread = face_mesh, threading.local()
        model = Path(mediapipe.__file__).parent / "modules" / "face_landmark" / "face_landmark.tflite"
        self.description: dict[str, Any] = {
            "file": f"mediapipe {mediapipe.__version__}",
            "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        }

    def __call__(self, crops: Image) -> ViewAnswer:
        """Poses of crops (n, SIZE, SIZE, 3) uint8 RGB; not found where the mesh sees no face."""
        points = np.stack([self._points(crop) for crop in crops])
        found = np.asarray(np.isfinite(points).all(axis=(1, 2)))
        rotation = pose_of_points(np.where(found[:, None, None], points, default_face_model().mean))
        return ViewAnswer(rotation, found)

    def _points(self, crop: Image) -> Float:
        """The 68 landmarks, x, y, z in pixels of the crop, z into the scene. → (68, 3), NaN without a face."""
        if not hasattr(self._of_thread, "mesh"):
            self._of_thread.mesh = self._solution.FaceMesh(
                static_image_mode=True, max_num_faces=1, refine_landmarks=False, min_detection_confidence=_CONFIDENCE
            )
        faces = self._of_thread.mesh.process(crop).multi_face_landmarks
        if not faces:
            return np.full((len(MESH_TO_68), 3), np.nan)
        mesh = faces[0].landmark
        return SIZE * np.array([(mesh[i].x, mesh[i].y, mesh[i].z) for i in MESH_TO_68], dtype=np.float64)


def pose_of_points(points: Float) -> Float:
    """The rotation that lays the mean face on 3-D landmarks, by the inner 51, least squares.

    points (n, 68, 3), any scale and place, x right, y down, z into the scene → (n, 3, 3) camera←head.
    """
    seen, mean = points[:, INNER], default_face_model().mean[INNER]
    seen = seen - seen.mean(axis=1, keepdims=True)
    return project_to_rotation(np.einsum("nki,kj->nij", seen, mean - mean.mean(axis=0)))
