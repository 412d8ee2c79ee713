"""The parts of the frame: the fit and the landmark vertices. Its zero is tested on pictures, in test_zero.py."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.synthesis.frame import FLIP, landmark_vertices, similarity_fit


def test_the_fit_recovers_a_similarity_exactly(rng):
    source = rng.standard_normal((20, 3))
    rotation = random_rotations(1, rng)[0]
    target = 2.5 * source @ rotation.T + [1.0, -2.0, 3.0]
    scale, found, shift, residual = similarity_fit(source, target)
    np.testing.assert_allclose(found, rotation, atol=1e-12)
    np.testing.assert_allclose([scale, *shift], [2.5, 1, -2, 3], atol=1e-12)
    assert residual < 1e-12


def test_the_fit_of_noisy_points_is_scipys(rng):
    source, weights = rng.standard_normal((30, 3)), rng.uniform(0.1, 2.0, 30)
    target = 0.7 * source @ random_rotations(1, rng)[0].T + 0.3 * rng.standard_normal((30, 3))
    centred = [points - np.average(points, axis=0, weights=weights) for points in (source, target)]
    expected, _ = Rotation.align_vectors(centred[1], centred[0], weights=weights)
    np.testing.assert_allclose(similarity_fit(source, target, weights)[1], expected.as_matrix(), atol=1e-9)


def test_a_mirrored_cloud_never_fits_a_reflection(rng):
    source = rng.standard_normal((20, 3))
    rotation = similarity_fit(source, source * [-1, 1, 1])[1]
    assert np.isclose(np.linalg.det(rotation), 1.0)


def test_landmark_vertices_are_where_anatomy_puts_them(assets):
    points = assets.base.mesh.vertices[landmark_vertices()] @ FLIP  # our axes: x to the image right, y down, z inwards
    pairs = [*zip(range(8), range(16, 8, -1), strict=True), *zip(range(17, 22), range(26, 21, -1), strict=True)]
    pairs += [
        (31, 35),
        (32, 34),
        (36, 45),
        (37, 44),
        (38, 43),
        (39, 42),
        (40, 47),
        (41, 46),
        (48, 54),
        (49, 53),
        (50, 52),
    ]
    pairs += [(59, 55), (58, 56), (60, 64), (61, 63), (67, 65)]
    for right, left in pairs:
        np.testing.assert_allclose(points[right] * [-1, 1, 1], points[left], atol=0.02)
        assert points[right, 0] < 0 < points[left, 0]  # the person's right is at the image left
    assert points[27:31, 1].tolist() == sorted(points[27:31, 1].tolist())  # down the bridge of the nose
    assert points[30, 2] == points[:, 2].min()  # the tip of the nose is nearest
    assert points[17:27, 1].max() < points[36:48, 1].min() < points[30, 1] < points[48:, 1].min() < points[8, 1]
