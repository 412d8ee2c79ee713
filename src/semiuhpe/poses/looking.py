"""Whom or what a head looks at: the probability that its facing direction lies within a cone around a target.

The belief about a rotation is taken as the isotropic matrix Fisher density whose mean error is the calibrated one of the
head, `p(R) ∝ exp(κ·tr(R₀ᵀR))`. Of the facing direction alone, at the angle θ from the estimated one, it leaves the density
`exp(κ·cos θ)·I₀(κ·(1 + cos θ))` on the sphere (the turn about the facing direction integrates to the Bessel function). A
cone of half angle α around a target at the angle γ cuts a share `a(θ)` out of the circle at θ, so the probability is one
smooth integral over θ. Where heads are is uncertain mostly in distance; over that it is averaged by Gauss–Hermite quadrature.

A head's direction is not its gaze: eyes turn within the head by some 15°, which is what the cone is for.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array
from semiuhpe.distributions.isotropic import kappa_of_mean_angle
from semiuhpe.errors import InputError
from semiuhpe.poses.position import HeadPositions
from semiuhpe.poses.uncertainty import scaled_bessel

Float = NDArray[np.float64]

WITHIN_DEG = 15.0
"""Half angle of the cone: how far eyes look aside before the head turns."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_CUT = 18.0  # of ½·κ_facing·θ²: beyond, less than 1e-7 of the density is left
_DISTANCES, _SHARES = np.polynomial.hermite_e.hermegauss(9)
"""Nodes, in deviations, and weights of the average over uncertain distances."""
_SHARES = _SHARES / _SHARES.sum()


def facing_within(kappa: ArrayLike, off: ArrayLike, within: ArrayLike) -> Float:
    """Probability that a facing direction lies within a cone; for the formula see the module.

    Args:
        kappa: κ ≥ 0 of the isotropic matrix Fisher belief.
        off: γ, angle between the estimated facing direction and the cone's axis, radians in [0, π].
        within: α, the cone's half angle, radians in [0, π].

    Returns:
        (...,) in [0, 1], to 1e-5; all arguments broadcast.
    """
    k, gamma, alpha = (np.asarray(v, dtype=np.float64) for v in np.broadcast_arrays(kappa, off, within))
    # Near the mode the density falls as exp(−κθ²): by then nothing is left to integrate.
    limit = np.minimum(np.pi, np.sqrt(_CUT / np.maximum(k, 1e-12)))
    inner, outer = np.abs(gamma - alpha), np.minimum(gamma + alpha, 2 * np.pi - gamma - alpha)
    ends = (np.zeros_like(limit), np.minimum(inner, limit), np.minimum(outer, limit), limit)
    inside = total = np.zeros_like(limit)
    for low, high in itertools.pairwise(ends):  # between kinks of the share that is inside
        # sin² spreads the nodes towards both ends, where that share has square roots.
        turn = np.pi / 4 * (_NODES + 1)
        theta = low[..., None] + (high - low)[..., None] * np.sin(turn) ** 2
        weight = (high - low)[..., None] * np.sin(2 * turn) * _WEIGHTS * np.sin(theta) * _density(k[..., None], theta)
        total = total + weight.sum(-1)
        inside = inside + (weight * _share_inside(theta, gamma[..., None], alpha[..., None])).sum(-1)
    return np.clip(inside / total, 0.0, 1.0)


def facing_angle_quantiles(kappa: ArrayLike, levels: ArrayLike) -> Float:
    """Angles between a facing direction and its estimate that are not exceeded with given probabilities.

    Args:
        kappa: (n,) κ ≥ 0 of the isotropic matrix Fisher belief.
        levels: (k,) probabilities in [0, 1].

    Returns:
        (n, k) radians, by trapezoids over 400 angles.
    """
    k = np.atleast_1d(np.asarray(kappa, dtype=np.float64))
    share = np.linspace(0.0, 1.0, 400)
    theta = np.minimum(np.pi, np.sqrt(_CUT / np.maximum(k, 1e-12)))[:, None] * share
    mass = np.sin(theta) * _density(k[:, None], theta)
    cumulative = np.concatenate([np.zeros((len(k), 1)), np.cumsum(mass[:, 1:] + mass[:, :-1], axis=1)], axis=1)
    answer = np.zeros((len(k), np.size(levels)))
    for row, reached, angle in zip(answer, cumulative, theta, strict=True):
        row[:] = np.interp(np.asarray(levels, dtype=np.float64), reached / reached[-1], angle)
    return answer


def _density(kappa: Float, theta: Float) -> Float:
    """Of the facing direction at an angle θ from the estimate, relative to the estimate itself but for a constant."""
    c = np.cos(theta)
    return np.asarray(np.exp(2 * kappa * (c - 1)) * scaled_bessel(kappa * (1 + c))[0])


def _share_inside(theta: Float, gamma: Float, alpha: Float) -> Float:
    """Share of the circle at angle θ around one axis that lies within α of another, γ away."""
    reach = np.sin(theta) * np.sin(gamma)
    above = np.cos(alpha) - np.cos(theta) * np.cos(gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(np.abs(reach) > 1e-12, above / reach, np.where(above <= 0, -1.0, 1.0))
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi)


def looks_at_point(
    facing: ArrayLike,
    expected_error_deg: ArrayLike,
    positions: HeadPositions,
    target: ArrayLike,
    within_deg: float = WITHIN_DEG,
) -> Float:
    """Probability that heads look at a point.

    Args:
        facing: (n, 3) unit vectors, camera frame (not relative to each head's ray).
        expected_error_deg: (n,) of the rotations, degrees.
        positions: of the n heads.
        target: (3,) metres, camera frame.
        within_deg: half angle of the cone around the target, degrees.

    Returns:
        (n,) in [0, 1].

    Raises:
        InputError: a malformed target or angle.
    """
    point = as_array("target", target, (3,))
    if not np.isfinite(point).all():
        raise InputError("target: expected finite x, y, z in metres")
    return looks_at(facing, expected_error_deg, positions, _exactly(point), within_deg)[:, 0]


def looks_at(
    facing: ArrayLike,
    expected_error_deg: ArrayLike,
    positions: HeadPositions,
    targets: HeadPositions,
    within_deg: float = WITHIN_DEG,
) -> Float:
    """Probability that each of n heads looks at each of m others, whose places are as uncertain as its own.

    Args:
        facing: (n, 3) unit vectors, camera frame (not relative to each head's ray).
        expected_error_deg: (n,) of the rotations, degrees.
        positions: of the n heads.
        targets: of the m others.
        within_deg: half angle of the cone around a target, degrees.

    Returns:
        (n, m) in [0, 1]; 0 where head and target are at one place, as each head is with itself.

    Raises:
        InputError: a half angle that is not in (0°, 180°], or malformed directions.
    """
    if not 0 < within_deg <= 180:
        raise InputError(f"within_deg is a half angle of more than 0° up to 180°, got {within_deg:g}")
    faces = as_array("facing", facing, ("n", 3))
    kappa = kappa_of_mean_angle(np.radians(np.maximum(np.asarray(expected_error_deg, dtype=np.float64), 0.1)))
    result = np.zeros((len(faces), len(targets.point)))
    if not result.size:
        return result
    sure = not targets.log_sigma.any()
    for step, share in zip(_DISTANCES, _SHARES, strict=True):
        here = positions.point * np.exp(step * positions.log_sigma)[:, None]
        for other, weight in zip([0.0] if sure else _DISTANCES, [1.0] if sure else _SHARES, strict=True):
            there = targets.point * np.exp(other * targets.log_sigma)[:, None]
            sight = there[None] - here[:, None]
            length = np.linalg.norm(sight, axis=-1)
            cosine = np.einsum("nmi,ni->nm", sight, faces) / np.maximum(length, 1e-9)
            off = np.arccos(np.clip(cosine, -1.0, 1.0))
            result += share * weight * facing_within(kappa[:, None], off, np.radians(within_deg))
    same = np.linalg.norm(targets.point[None] - positions.point[:, None], axis=-1) < 1e-6
    return np.where(same, 0.0, result)


def _exactly(point: Float) -> HeadPositions:
    """A place that is known."""
    length = max(float(np.linalg.norm(point)), 1e-9)
    return HeadPositions(point[None], point[None] / length, np.zeros(1), np.zeros(1))
