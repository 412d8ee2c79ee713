"""Where a head is: its position, metres in the camera's frame, from its box, its rotation and the size that heads have.

A box is as wide and high as the head's outline, and the outline depends on how the head is turned: a head in profile is
longer than it is wide, one seen from below is shorter than one that faces the camera. An ellipsoid with second moments
Σ has, at distance 1, an outline of `2·√(rᵀΣr)`, r being the first (for the width) or second (for the height) row of the
rotation. The mean ellipsoid, and how much heads differ from it, are fitted to rendered persons
(`benchmarks/head_size.py`); given the rotation, the box of one person then tells the distance to 4 %, but which size
that person has nobody knows.

So the distance is uncertain in proportion to itself: its logarithm is normal with a deviation that adds up from the
size of heads, the noise of the box and the error of the rotation. Across the line of sight the error is that of the
box's middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array, as_boxes
from semiuhpe.errors import InputError
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.geometry.rotation import rotation_of_vector
from semiuhpe.poses.camera import Camera

Float = NDArray[np.float64]

_NORMAL_90 = 1.6449
_WIDEST_TURN = np.radians(45.0)
"""No rotation is less certain for the size of its outline than one off by this: outlines repeat themselves."""


@dataclass(frozen=True)
class MeanHead:
    """The outline of a head with its hair or hat, and how much people differ from it.

    Attributes:
        moments: xx, yy, zz and yz of the second moments Σ, m², in the head's frame (docs/conventions.md).
        offset: y and z of the box's middle from the middle of the bare head, m, head frame.
        log_sigma: standard deviation of the logarithm of people's sizes.
        offset_sigma: standard deviation of the box's middle, m.
    """

    moments: tuple[float, float, float, float]
    offset: tuple[float, float]
    log_sigma: float
    offset_sigma: float

    def scaled(self, factor: float) -> MeanHead:
        """A head `factor` times as large.

        Args:
            factor: a positive number.

        Returns:
            The larger or smaller head.

        Raises:
            InputError: a factor that is not positive.
        """
        if not (np.isfinite(factor) and factor > 0):
            raise InputError(f"a head's scale is a positive number, got {factor}")
        xx, yy, zz, yz = (m * factor**2 for m in self.moments)
        y, z = (v * factor for v in self.offset)
        return MeanHead((xx, yy, zz, yz), (y, z), self.log_sigma, self.offset_sigma * factor)

    def size(self, rotation: ArrayLike) -> Float:
        """Size of the outline, √(width·height), by `2·√(rᵀΣr)` for either side.

        Args:
            rotation: (..., 3, 3) relative to the ray through the head.

        Returns:
            (...,) metres.
        """
        rows = np.asarray(rotation, dtype=np.float64)[..., :2, :]
        xx, yy, zz, yz = self.moments
        sigma = np.array([[xx, 0, 0], [0, yy, yz], [0, yz, zz]])
        squared = np.einsum("...ri,ij,...rj->...r", rows, sigma, rows)
        return np.asarray(2.0 * np.prod(squared, axis=-1) ** 0.25)


MEAN_HEAD = MeanHead((0.00966, 0.01534, 0.01315, -0.00129), (-0.0081, 0.0106), 0.105, 0.0082)
"""Of people of all ages, one in four a child."""
ADULT_HEAD = MeanHead((0.00970, 0.01639, 0.01355, -0.00163), (-0.0091, 0.0109), 0.086, 0.0085)
"""Of adults."""


@dataclass(frozen=True)
class BoxNoise:
    """How far boxes are from the outlines of heads; the defaults are the detector's on renders.

    Attributes:
        log_size: standard deviation of the logarithm of √(width·height).
        centre: standard deviation of the middle, in shares of that size, each of x and y.
    """

    log_size: float = 0.09
    centre: float = 0.055


EXACT_BOX = BoxNoise(0.0, 0.0)
"""Of boxes that touch the outline."""


@dataclass(frozen=True)
class HeadPositions:
    """Where n heads are, and how sure that is.

    Attributes:
        point: (n, 3) middle of the bare head, metres, camera frame.
        ray: (n, 3) unit vectors from the camera to it, camera frame.
        log_sigma: (n,) standard deviation of the logarithm of the distance.
        across_sigma_m: (n,) standard deviation in each of the two directions across, metres.
    """

    point: Float
    ray: Float
    log_sigma: Float
    across_sigma_m: Float

    @property
    def distance_m(self) -> Float:
        """(n,) distance from the camera, metres."""
        return np.asarray(np.linalg.norm(self.point, axis=1))

    @property
    def interval_90_m(self) -> Float:
        """(n, 2) between which the distance lies in 9 of 10 cases, metres."""
        factor = np.exp(_NORMAL_90 * self.log_sigma)
        return np.stack([self.distance_m / factor, self.distance_m * factor], axis=1)

    @property
    def error_90_m(self) -> Float:
        """(n,) how far, in any direction, the true position is away at most in 9 of 10 cases, metres."""
        along = self.log_sigma * self.distance_m
        return np.asarray(np.sqrt((_NORMAL_90 * along) ** 2 + 2 * self.across_sigma_m**2))

    @property
    def covariance(self) -> Float:
        """(n, 3, 3) m², camera frame: a long, thin ellipsoid along the ray."""
        along = self.ray[:, :, None] * self.ray[:, None, :]
        far, wide = (self.log_sigma * self.distance_m) ** 2, self.across_sigma_m**2
        return np.asarray(far[:, None, None] * along + wide[:, None, None] * (np.eye(3) - along))


def head_positions(
    rotation: ArrayLike,
    box: ArrayLike,
    camera: Camera,
    *,
    expected_error_deg: ArrayLike = 0.0,
    head: MeanHead = MEAN_HEAD,
    noise: BoxNoise | None = None,
) -> HeadPositions:
    """Where heads are.

    Args:
        rotation: (n, 3, 3), each relative to the ray through its head, as estimates are.
        box: (n, 4) pixels, whole: one that the picture's edge cuts is smaller than its head.
        camera: that took the picture.
        expected_error_deg: (n,) or one, of the rotations, degrees.
        head: how large heads are.
        noise: of the boxes; None = a detector's.

    Returns:
        Positions of the n heads, metres, camera frame.

    Raises:
        InputError: boxes without area, or shapes that do not match.
    """
    noise = BoxNoise() if noise is None else noise
    turned, boxes = as_array("rotation", rotation, ("n", 3, 3)), as_boxes(box)
    if len(turned) != len(boxes):
        raise InputError(f"box: expected {len(turned)} heads as in rotation, got {len(boxes)}")
    error = np.radians(np.broadcast_to(np.asarray(expected_error_deg, dtype=np.float64), (len(turned),)))
    corner = camera.on_plane(boxes.reshape(-1, 2)).reshape(-1, 2, 2)
    middle, extent = corner.mean(axis=1), corner[:, 1] - corner[:, 0]
    # Off the axis the plane z = 1 is farther than 1 and seen aslant: an area on it is (1 + r²)^(−3/2) of a solid angle.
    angular = np.sqrt(np.prod(extent, axis=1)) * (1 + np.sum(middle**2, axis=1)) ** -0.75
    size = head.size(turned)
    distance = size / angular
    shift = turned[:, :2, 1:] @ np.asarray(head.offset)
    in_ray_frame = np.concatenate([-shift, distance[:, None]], axis=1)
    point = np.einsum("nij,nj->ni", axis_to_ray(middle, np.eye(3)), in_ray_frame)
    log_sigma = np.sqrt(head.log_sigma**2 + noise.log_size**2 + _outline_variance(turned, error, head))
    across = np.hypot(head.offset_sigma, noise.centre * size)
    return HeadPositions(point, point / np.linalg.norm(point, axis=1, keepdims=True), log_sigma, across)


def _outline_variance(rotation: Float, error: Float, head: MeanHead) -> Float:
    """Variance of the logarithm of an outline's size if the rotation is off by `error` radians, (n,), about any axis."""
    step = np.minimum(error, _WIDEST_TURN)[:, None] / np.sqrt(3.0)
    variance = np.zeros(len(rotation))
    for axis in np.eye(3):
        there, back = (np.log(head.size(rotation_of_vector(sign * step * axis) @ rotation)) for sign in (1.0, -1.0))
        variance += ((there - back) / 2) ** 2
    return variance
