"""Fits of projected faces whose pose is known."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, geodesic_distance, mirror
from semiuhpe.sources.landmarks.face_model import INNER, MIRRORED, default_face_model, fit_faces


def poses(count: int, rng: np.random.Generator) -> np.ndarray:
    azimuth, elevation, tilt = np.radians(rng.uniform([-70, -35, -40], [70, 35, 40], (count, 3))).T
    return from_azimuth_elevation_tilt(azimuth, elevation, tilt)


def project(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return 80 * (points @ np.swapaxes(rotation, 1, 2))[..., :2] + [120.0, 90.0]


def test_the_mean_face_gives_its_pose_back(rng: np.random.Generator) -> None:
    rotation = poses(40, rng)
    fit = fit_faces(project(np.broadcast_to(default_face_model().mean, (40, 68, 3)), rotation))
    assert np.degrees(geodesic_distance(fit.rotation, rotation)).max() < 0.5
    assert fit.residual.max() < 0.01


def test_deformed_noisy_faces_stay_close_and_beat_the_rigid_face(rng: np.random.Generator) -> None:
    model = default_face_model()
    rotation = poses(80, rng)
    faces = model.mean + np.einsum("nk,kjd->njd", rng.standard_normal((80, len(model.modes))), model.modes)
    points = project(faces, rotation) + rng.normal(0, 1.0, (80, 68, 2))
    errors = {
        name: np.degrees(geodesic_distance(fit_faces(points, used).rotation, rotation)).mean()
        for name, used in (("deformable", model), ("rigid", model.rigid()))
    }
    assert errors["deformable"] < 3
    assert errors["deformable"] < errors["rigid"]


def test_a_mirrored_face_has_the_mirrored_pose(rng: np.random.Generator) -> None:
    points = project(np.broadcast_to(default_face_model().mean, (10, 68, 3)), poses(10, rng))
    flipped = points[:, MIRRORED] * [-1, 1]
    angle = geodesic_distance(fit_faces(flipped).rotation, mirror(fit_faces(points).rotation))
    assert np.degrees(angle).max() < 0.5


def test_with_a_known_pose_place_and_size_are_fitted_also_in_profile(rng: np.random.Generator) -> None:
    rotation = from_azimuth_elevation_tilt(*np.radians(rng.uniform([-90, -40, -40], [90, 40, 40], (30, 3))).T)
    points = project(np.broadcast_to(default_face_model().mean, (30, 68, 3)), rotation)
    fit = fit_faces(points + rng.normal(0, 2, points.shape), rotation=rotation)
    np.testing.assert_array_equal(fit.rotation, rotation)
    np.testing.assert_allclose(fit.scale, 80, rtol=0.04)
    np.testing.assert_allclose(fit.shift, np.broadcast_to([120.0, 90.0], (30, 2)), atol=6)
    with pytest.raises(ValueError, match="as many rotations"):
        fit_faces(points, rotation=rotation[:3])


def test_a_few_wrong_landmarks_do_not_turn_the_face(rng: np.random.Generator) -> None:
    rotation = poses(30, rng)
    points = project(np.broadcast_to(default_face_model().mean, (30, 68, 3)), rotation)
    points[:, [36, 50]] += 60
    assert np.degrees(geodesic_distance(fit_faces(points).rotation, rotation)).mean() < 4


def test_jaw_points_do_not_count(rng: np.random.Generator) -> None:
    points = project(np.broadcast_to(default_face_model().mean, (5, 68, 3)), poses(5, rng))
    moved = points.copy()
    moved[:, : INNER.start] += rng.normal(0, 40, (5, INNER.start, 2))
    np.testing.assert_array_equal(fit_faces(points).rotation, fit_faces(moved).rotation)


@pytest.mark.parametrize("points", [np.zeros((2, 5, 2)), np.full((1, 68, 2), np.nan), np.ones((1, 68, 2))])
def test_impossible_landmarks_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        fit_faces(points)
