"""What one teacher says of heads: several views of each made into one rotation, with its noise.

A view is the head at one crop size, as it is or mirrored. Noise is the covariance of the rotation vector
`r = log(Rᵀ·R_true)`, head frame, radians². Two parts add up: what the teacher states of itself (or, where it states
nothing, what is assumed of it), and the scatter of its answers over the views. Averaging views takes nothing away from
the former: a network is wrong in much the same way on each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.rotation import Float, mirror, project_to_rotation, rotation_vector
from semiuhpe.poses.uncertainty import FLOOR_DEG

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ViewAnswer:
    """One view of n heads: rotation (n, 3, 3) camera←head; found (n,), False where there is no answer; covariance
    (n, 3, 3) that the teacher states, or None."""

    rotation: Float
    found: Mask
    covariance: Float | None = None

    def mirrored(self) -> ViewAnswer:
        """What an answer to mirror images says of the heads themselves."""
        return ViewAnswer(
            mirror(self.rotation), self.found, None if self.covariance is None else mirror(self.covariance)
        )


@dataclass(frozen=True, eq=False)
class Opinion:
    """One teacher on n heads.

    rotation (n, 3, 3) camera←head, identity where nothing was found. found (n,) bool: in more than half of the views.
    covariance (n, 3, 3): its whole noise. own_deg (n,): RMS angle of the error that it states, NaN where it states none.
    spread_deg (n,): RMS angle between its views and their mean.
    """

    rotation: Float
    found: Mask
    covariance: Float
    own_deg: Float
    spread_deg: Float


def isotropic(sigma_deg: float | Float) -> Float:
    """Covariance of errors of an RMS angle that prefer no axis. (...,) degrees → (..., 3, 3) radians²."""
    variance = np.radians(np.asarray(sigma_deg, dtype=np.float64)) ** 2 / 3
    return np.asarray(variance[..., None, None] * np.eye(3))


def rms_angle_deg(covariance: Float) -> Float:
    """RMS angle of small errors of a covariance. (..., 3, 3) radians² → (...,) degrees."""
    return np.asarray(np.degrees(np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))))


def combine_views(views: Sequence[ViewAnswer], assumed_deg: float) -> Opinion:
    """The opinion of a teacher from its answers to v ≥ 1 views of the same n heads.

    assumed_deg: RMS angle of the errors of a teacher that states none.
    """
    rotation = np.stack([view.rotation for view in views])
    finite = np.isfinite(rotation).all(axis=(2, 3))
    stated = _stated(views)
    if stated is not None:
        finite &= np.isfinite(stated).all(axis=(2, 3))
    found = np.stack([view.found for view in views]) & finite
    weight = found / np.maximum(found.sum(axis=0), 1)
    safe = np.where(found[..., None, None], rotation, np.eye(3))
    enough = 2 * found.sum(axis=0) > len(views)
    total = np.einsum("vn,vnij->nij", weight, safe)
    mean = project_to_rotation(np.where(enough[:, None, None], total, np.eye(3)))
    apart = rotation_vector(np.swapaxes(mean, 1, 2) @ safe)
    scatter = np.einsum("vn,vni,vnj->nij", weight, apart, apart)
    if stated is None:
        own, own_deg = isotropic(np.full(len(mean), assumed_deg)), np.full(len(mean), np.nan)
    else:
        own = np.einsum("vn,vnij->nij", weight, np.where(found[..., None, None], stated, 0.0))
        own_deg = np.where(enough, rms_angle_deg(own), np.nan)
    return Opinion(mean, enough, own + scatter + isotropic(FLOOR_DEG), own_deg, rms_angle_deg(scatter))


def _stated(views: Sequence[ViewAnswer]) -> Float | None:
    """(v, n, 3, 3), or None unless every view has one."""
    stated = [view.covariance for view in views if view.covariance is not None]
    return np.stack(stated) if len(stated) == len(views) else None
