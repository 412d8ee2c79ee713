"""Where heads may be looking: a fixed set of directions and places for each, spread as its error bars say.

Each head is stood for by `SAMPLES` equally probable lines of sight, the same at every run: low-discrepancy points (Roberts'
R₃ sequence) for the angle to the estimated direction, the turn about it, and the distance. The share of them that meets a
zone is the probability that the head looks at it, whatever the zone's shape; it is within 0.04 of the integral.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from semiuhpe.distributions.isotropic import kappa_of_mean_angle
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.geometry.rotation import facing_direction
from semiuhpe.poses.camera import Camera
from semiuhpe.poses.looking import facing_angle_quantiles
from semiuhpe.poses.position import MEAN_HEAD, MeanHead, head_positions

Float = NDArray[np.float64]

SAMPLES = 128
_ROOT = 1.2207440846057596  # of x⁴ = x + 1
_ERROR_STEP_DEG = 0.5


@dataclass(frozen=True)
class Sights:
    """Lines of sight of n heads, k of each.

    relative: (n, k, 3) unit vectors relative to the ray through the head, as estimates are. centre: (n, 2) middle of the
    head's box, pixels. direction, origin: (n, k, 3) in the camera's frame, unit vectors and metres; None without a camera.
    """

    relative: Float
    centre: Float
    direction: Float | None = None
    origin: Float | None = None


def sights_of(
    rotation: Float,
    box: Float,
    expected_error_deg: Float,
    camera: Camera | None = None,
    head: MeanHead = MEAN_HEAD,
    samples: int = SAMPLES,
) -> Sights:
    """Lines of sight. rotation: (n, 3, 3) relative to the ray; box: (n, 4) pixels; expected_error_deg: (n,)."""
    number = np.arange(1, samples + 1)[:, None]
    level, turn, depth = np.mod(0.5 + number * _ROOT ** -np.arange(1.0, 4.0), 1.0).T
    # Error bars are a few hundred different ones at most, once they are rounded.
    known, which = np.unique(np.maximum(1, np.round(expected_error_deg / _ERROR_STEP_DEG)), return_inverse=True)
    angles = facing_angle_quantiles(kappa_of_mean_angle(np.radians(known * _ERROR_STEP_DEG)), level)
    theta = angles[which]
    facing = facing_direction(rotation)
    across = (
        np.cos(2 * np.pi * turn)[:, None] * rotation[:, None, :, 0]
        + np.sin(2 * np.pi * turn)[:, None] * rotation[:, None, :, 1]
    )
    relative = np.cos(theta)[..., None] * facing[:, None] + np.sin(theta)[..., None] * across
    centre = (box[:, :2] + box[:, 2:]) / 2
    if camera is None:
        return Sights(relative, centre)
    place = head_positions(rotation, box, camera, expected_error_deg=expected_error_deg, head=head)
    turned = axis_to_ray(centre, camera.matrix)
    normal = np.array([NormalDist().inv_cdf(float(p)) for p in depth])
    origin = place.point[:, None] * np.exp(place.log_sigma[:, None] * normal)[..., None]
    return Sights(relative, centre, np.einsum("nij,nkj->nki", turned, relative), origin)
