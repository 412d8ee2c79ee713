"""The face mesh: alignment on a synthetic projection, the table of points, and what is said without mediapipe."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from semiuhpe.errors import MissingExtraError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.rotation import geodesic_distance, random_rotations, rotation_of_vector, rotation_y
from semiuhpe.images.load import load_image
from semiuhpe.labelling.face_mesh import MESH_TO_68, POINTS, SIZE, FaceMesh, pose_of_points
from semiuhpe.labelling.teachers import open_teachers
from semiuhpe.sources.landmarks.face_model import LANDMARKS, MIRRORED, default_face_model

MEAN = default_face_model().mean


def test_the_pose_of_a_projected_mean_face(rng: np.random.Generator) -> None:
    """Any rotation, scale and place; the jaw does not count."""
    rotation = random_rotations(20, rng)
    points = rng.uniform(10, 60, (20, 1, 1)) * (MEAN @ np.swapaxes(rotation, 1, 2)) + rng.uniform(0, 256, (20, 1, 3))
    points[:, :17] = rng.uniform(0, 256, (20, 17, 3))
    np.testing.assert_allclose(pose_of_points(points), rotation, atol=1e-9)


def test_noise_against_a_search(rng: np.random.Generator) -> None:
    """The least-squares rotation: no small turn from it is nearer to the points."""
    points = MEAN @ rotation_y(0.5).T + rng.normal(0, 0.1, (LANDMARKS, 3))
    found = pose_of_points(points[None])[0]

    def distance(rotation: np.ndarray) -> float:
        a, b = points[17:] - points[17:].mean(0), (MEAN[17:] - MEAN[17:].mean(0)) @ rotation.T
        return float(np.sum((a - b * np.sum(a * b) / np.sum(b * b)) ** 2))

    for axis in np.concatenate([np.eye(3), -np.eye(3)]):
        assert distance(rotation_of_vector(0.01 * axis) @ found) > distance(found)


def test_the_table_names_a_point_of_the_mesh_for_each_landmark() -> None:
    assert len(MESH_TO_68) == LANDMARKS
    assert min(MESH_TO_68) >= 0 and max(MESH_TO_68) < POINTS
    inner = MESH_TO_68[17:]
    assert len(set(inner)) == len(inner)


@pytest.fixture
def mediapipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A module that looks like mediapipe, whose mesh is the mean face turned by 20°, or no face in a black picture."""
    made = SimpleNamespace(meshes=0)
    turned = 0.1 * MEAN @ rotation_y(np.radians(20)).T + 0.5

    class Mesh:
        def __init__(self, **options: object) -> None:
            assert options["static_image_mode"] is True, "a mesh that tracks depends on the picture before"
            made.meshes += 1

        def process(self, picture: np.ndarray) -> SimpleNamespace:
            if not picture.any():
                return SimpleNamespace(multi_face_landmarks=None)
            points = [SimpleNamespace(x=0.0, y=0.0, z=0.0)] * POINTS
            for place, point in zip(MESH_TO_68, turned, strict=True):
                points[place] = SimpleNamespace(x=point[0], y=point[1], z=point[2])
            return SimpleNamespace(multi_face_landmarks=[SimpleNamespace(landmark=points)])

    package = ModuleType("mediapipe")
    package.__file__, package.__version__ = f"{tmp_path}/mediapipe/__init__.py", "0.0"  # type: ignore[attr-defined]
    model = tmp_path / "mediapipe" / "modules" / "face_landmark" / "face_landmark.tflite"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"a model")
    solution = ModuleType("mediapipe.python.solutions.face_mesh")
    solution.FaceMesh = Mesh  # type: ignore[attr-defined]
    solutions = ModuleType("mediapipe.python.solutions")
    solutions.face_mesh = solution  # type: ignore[attr-defined]
    python = ModuleType("mediapipe.python")
    python.solutions = solutions  # type: ignore[attr-defined]
    for module in (package, python, solutions, solution):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_mesh_that_finds_faces_and_none(mediapipe: SimpleNamespace) -> None:
    mesh = FaceMesh()
    crops = np.zeros((3, SIZE, SIZE, 3), np.uint8)
    crops[1] = 200
    answer = mesh(crops)
    assert answer.found.tolist() == [False, True, False]
    assert np.degrees(geodesic_distance(answer.rotation[1], rotation_y(np.radians(20)))) < 0.01
    assert answer.covariance is None
    assert mediapipe.meshes == 1
    assert len(mesh.description["sha256"]) == 64


def test_without_mediapipe_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'semiuhpe\[mediapipe\]'"):
        FaceMesh()


def test_mirrored_landmarks_are_mirrored_points_of_the_mesh() -> None:
    """MediaPipe numbers its mesh so that these are pairs across the face; the table must not mix up sides."""
    across = {
        70: 300, 63: 293, 105: 334, 66: 296, 107: 336, 98: 327, 97: 326, 33: 263, 160: 387, 158: 385, 133: 362, 153: 380,
        144: 373, 61: 291, 40: 270, 37: 267, 321: 91, 314: 84, 78: 308, 82: 312, 317: 87, 162: 389, 234: 454, 93: 323,
        58: 288, 172: 397, 136: 365, 149: 378, 148: 377,
    }  # fmt: skip
    across |= {b: a for a, b in across.items()} | {p: p for p in (168, 197, 5, 4, 2, 0, 17, 13, 14, 152)}
    assert [across[MESH_TO_68[i]] for i in range(LANDMARKS)] == [MESH_TO_68[MIRRORED[i]] for i in range(LANDMARKS)]


@pytest.mark.parametrize("name", ["astronaut", "grace_hopper"])
def test_the_real_mesh_agrees_with_our_network_on_a_frontal_face(name: str) -> None:
    pytest.importorskip("mediapipe")
    photo = Path(__file__).parents[2] / "docs" / "demo" / f"{name}.jpg"
    heads = HeadPoseEstimator(threads=1)(photo)
    largest = int(np.argmax(heads.box[:, 2] - heads.box[:, 0]))
    (mesh,) = open_teachers([("face-mesh", "")])
    opinion = mesh.opinion([(load_image(photo), heads.box[largest])], (0.9, 1.0, 1.1), mirrored=True)
    assert opinion.found[0] and opinion.spread_deg[0] < 4
    assert np.degrees(geodesic_distance(opinion.rotation[0], heads.rotation[largest])) < 12
