"""Errors of predicted poses, with numpy alone. Angles come in radians or matrices and leave in degrees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import (
    angle_between,
    azimuth_elevation_tilt,
    circular_difference,
    facing_direction,
    geodesic_distance,
)

Float = NDArray[np.float64]
BANDS_DEG = ((0, 60), (60, 120), (120, 180))


def geodesic_errors_deg(predicted: ArrayLike, label: ArrayLike) -> Float:
    """Geodesic distance of each pair of poses, degrees. (n, 3, 3) × (n, 3, 3) → (n,)."""
    return np.asarray(np.degrees(geodesic_distance(predicted, label)))


def euler_errors_deg(predicted: ArrayLike, label_deg: ArrayLike, convention: str = "300w-lp") -> Float:
    """Absolute circular differences of pitch, yaw and roll. (n, 3, 3) × (n, 3) degrees → (n, 3) in [0, 180]."""
    difference = circular_difference(np.radians(euler_deg(predicted, convention)), np.radians(label_deg))
    return np.abs(np.degrees(difference))


def direction_errors_deg(predicted: ArrayLike, direction: ArrayLike) -> Float:
    """Angle between the predicted facing direction and a labelled one. (n, 3, 3) × (n, 3) → (n,)."""
    return np.asarray(np.degrees(angle_between(facing_direction(predicted), direction)))


def azimuth_errors_deg(predicted: ArrayLike, azimuth: ArrayLike) -> Float:
    """Absolute circular difference of the azimuth. (n, 3, 3) × (n,) radians → (n,) degrees in [0, 180]."""
    return np.abs(np.degrees(circular_difference(azimuth_elevation_tilt(predicted)[:, 0], azimuth)))


def elevation_errors_deg(predicted: ArrayLike, elevation: ArrayLike) -> Float:
    """Absolute difference of the elevation. (n, 3, 3) × (n,) radians → (n,) degrees."""
    return np.abs(np.degrees(azimuth_elevation_tilt(predicted)[:, 1] - np.asarray(elevation, dtype=np.float64)))


def by_azimuth_band(errors: Float, azimuth: ArrayLike) -> dict[str, float]:
    """Mean error by the labelled |azimuth|: 0–60, 60–120, 120–180 degrees. errors (n,), azimuth (n,) radians."""
    turned = np.abs(np.degrees(np.asarray(azimuth, dtype=np.float64)))
    means = {}
    for low, high in BANDS_DEG:
        inside = (turned >= low) & ((turned < high) | (high == 180))
        means[f"{low}-{high}"] = float(errors[inside].mean()) if inside.any() else float("nan")
    return means


def bootstrap_interval(
    errors: Float,
    statistic: Callable[[Float], float] = np.mean,
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of the errors. errors (n,) → low, high."""
    rng = np.random.default_rng(seed)
    values = [statistic(errors[rng.integers(0, len(errors), len(errors))]) for _ in range(draws)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
