"""Rotations relative to the camera's optical axis, and relative to the ray through a head.

A crop shows a head as a camera would see it that points straight at it, so that is the frame of an estimate from a crop:
identity means "faces the lens", wherever in the photo the head is. Poses in the camera's own frame, in which the heads
of one photo can be compared with each other, are `C·R`, where C turns the optical axis onto the head's ray.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.geometry.rotation import Float


def axis_to_ray(points: ArrayLike, camera_matrix: ArrayLike) -> Float:
    """The smallest rotations that take the optical axis (0, 0, 1) to the rays through image points.

    points: (n, 2) pixels. camera_matrix: (3, 3) upper triangular, in the same pixels. → (n, 3, 3) camera←ray frame.
    With `d` the unit ray, `v = z × d` and `c = d_z`: `C = I + [v]ₓ + [v]ₓ² / (1 + c)`; never singular, as c > 0.
    """
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    homogeneous = np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
    ray = np.linalg.solve(np.asarray(camera_matrix, dtype=np.float64), homogeneous.T).T
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    skew = np.zeros((len(flat), 3, 3))
    # z × d = (−d_y, d_x, 0), so its cross-product matrix has entries only in the last row and column.
    skew[:, 0, 2], skew[:, 1, 2] = ray[:, 0], ray[:, 1]
    skew[:, 2, 0], skew[:, 2, 1] = -ray[:, 0], -ray[:, 1]
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + ray[:, 2])[:, None, None])
