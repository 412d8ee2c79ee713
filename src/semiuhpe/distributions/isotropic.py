"""The isotropic matrix Fisher distribution, `A = κ·R₀`: how the size of an error in degrees and a concentration belong together.

The angle θ between a draw and the mode has the density `∝ exp(−4κ·sin²½θ)·sin²½θ` on [0, π], and `E[R] = d·R₀` with
`d = (1 + 2·E[cos θ])/3`. Both moments come from one Gauss–Legendre rule; for κ ≥ 20, κ ≈ 3/(2σ²).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.geometry.rotation import Float

UNIFORM_SIGMA = math.sqrt(math.pi**2 / 3 + 2)
"""Root mean square angle of the uniform distribution, 2.3 radians (131.8°)."""

UNIFORM_MEAN_ANGLE = math.pi / 2 + 2 / math.pi
"""Mean angle of the uniform distribution, radians (126.5°)."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_CUT = 9.0  # beyond sin²½θ = 9/κ the density is below e⁻³⁶ of its peak
_BISECTIONS = 60
_LOG_KAPPA = (-30.0, 40.0)


def sigma_of(kappa: ArrayLike) -> Float:
    """Root mean square angle to the mode, radians. kappa ≥ 0, any shape."""
    theta, weight = _angles(kappa)
    return np.asarray(np.sqrt(np.sum(weight * theta**2, -1)))


def mean_angle_of(kappa: ArrayLike) -> Float:
    """Mean angle to the mode, radians. kappa ≥ 0, any shape."""
    theta, weight = _angles(kappa)
    return np.asarray(np.sum(weight * theta, -1))


def resultant_of(kappa: ArrayLike) -> Float:
    """The factor d of `E[R] = d·R₀`, from 0 (uniform) to 1. kappa ≥ 0, any shape."""
    theta, weight = _angles(kappa)
    return np.asarray(1.0 - 4.0 / 3.0 * np.sum(weight * np.sin(theta / 2) ** 2, -1))


def kappa_of_sigma(sigma: ArrayLike) -> Float:
    """Inverse of `sigma_of`; 0 from `UNIFORM_SIGMA` on. sigma > 0, radians, any shape."""
    sigma = np.asarray(sigma, dtype=np.float64)
    return np.where(sigma >= UNIFORM_SIGMA, 0.0, _bisect(lambda kappa: sigma_of(kappa) > sigma, sigma.shape))


def kappa_of_mean_angle(angle: ArrayLike) -> Float:
    """Inverse of `mean_angle_of`; 0 from `UNIFORM_MEAN_ANGLE` on. angle > 0, radians, any shape."""
    angle = np.asarray(angle, dtype=np.float64)
    too_wide = angle >= UNIFORM_MEAN_ANGLE
    return np.where(too_wide, 0.0, _bisect(lambda kappa: mean_angle_of(kappa) > angle, angle.shape))


def kappa_of_resultant(resultant: ArrayLike) -> Float:
    """Inverse of `resultant_of`; 0 for what is not positive. resultant < 1, any shape."""
    resultant = np.asarray(resultant, dtype=np.float64)
    return np.where(resultant <= 0, 0.0, _bisect(lambda k: resultant_of(k) < resultant, resultant.shape))


def _angles(kappa: ArrayLike) -> tuple[Float, Float]:
    """Nodes θ and normalised weights of the density of the angle, (..., 64)."""
    kappa = np.asarray(kappa, dtype=np.float64)[..., None]
    half = 0.5 * math.pi * np.minimum(1.0, np.sqrt(_CUT / np.maximum(kappa, _CUT)))  # sin ½θ ≥ θ/π
    theta = half * (1.0 + _NODES)
    sine2 = np.sin(theta / 2) ** 2
    weight = _WEIGHTS * sine2 * np.exp(-4.0 * kappa * sine2)
    return theta, weight / weight.sum(-1, keepdims=True)


def _bisect(
    too_low: Callable[[Float], np.ndarray[tuple[int, ...], np.dtype[np.bool_]]], shape: tuple[int, ...]
) -> Float:
    """The κ at which `too_low` turns false, on a logarithmic scale."""
    low, high = np.full(shape, _LOG_KAPPA[0]), np.full(shape, _LOG_KAPPA[1])
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = too_low(np.exp(middle))
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.exp((low + high) / 2))
