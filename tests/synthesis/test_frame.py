"""The landmark vertices of the frame. Its zero is tested on pictures, in labelling/test_zero.py."""

from __future__ import annotations

import numpy as np

from semiuhpe.synthesis.frame import FLIP, landmark_vertices
from semiuhpe.synthesis.makehuman import HeadAssets


def test_landmark_vertices_are_where_anatomy_puts_them(assets: HeadAssets) -> None:
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
