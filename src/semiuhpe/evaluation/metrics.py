"""Metrics: errors of predicted poses, with numpy alone. Angles come in radians or matrices and leave in degrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import (
    angle_between,
    azimuth_elevation_tilt,
    circular_difference,
    facing_direction,
    geodesic_distance,
    project_to_rotation,
)

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

BANDS_DEG = ((0, 60), (60, 120), (120, 180))
"""Bands of the labelled |azimuth|: front, side, rear."""

THRESHOLDS_DEG = (5, 10, 15, 30)
"""Of the accuracies: the share of heads whose error is at most so large."""


def geodesic_errors_deg(predicted: ArrayLike, label: ArrayLike) -> Float:
    """Geodesic distance of each pair of poses.

    Args:
        predicted: (n, 3, 3) camera←head.
        label: (n, 3, 3) camera←head.

    Returns:
        (n,) degrees in [0, 180].
    """
    return np.asarray(np.degrees(geodesic_distance(predicted, label)))


def euler_errors_deg(predicted: ArrayLike, label_deg: ArrayLike, convention: str = "300w-lp") -> Float:
    """Absolute circular differences of pitch, yaw and roll; their mean is the published Euler MAE.

    Of the prediction the convention's one triple counts, also where the label lies beyond the fold at yaw = ±90° and
    the other triple would be nearer (`nearest_euler_errors_deg`).

    Args:
        predicted: (n, 3, 3) camera←head.
        label_deg: (n, 3) pitch, yaw, roll, degrees.
        convention: of the labels, one of `geometry.euler.CONVENTIONS`.

    Returns:
        (n, 3) degrees in [0, 180].
    """
    difference = circular_difference(np.radians(euler_deg(predicted, convention)), np.radians(label_deg))
    return np.abs(np.degrees(difference))


def nearest_euler_errors_deg(predicted: ArrayLike, label: ArrayLike, convention: str = "300w-lp") -> Float:
    """Absolute circular differences of pitch, yaw and roll of two poses, by the nearer of two triples.

    Every pose has two triples, `(p, y, r)` and `(p + 180, 180 − y, r + 180)`. Where label and prediction lie on either
    side of the fold at yaw = ±90°, the triple of the prediction is taken whose differences add up to less, so close
    poses have close angles over the full range. Nothing else is forgiven: both triples name the one pose. It is never
    more than the published error (`euler_errors_deg`), so the two must not be compared.

    Args:
        predicted: (n, 3, 3) camera←head.
        label: (n, 3, 3) camera←head.
        convention: one of `geometry.euler.CONVENTIONS`.

    Returns:
        (n, 3) degrees in [0, 180].
    """
    own, other = np.radians(euler_deg(predicted, convention)), np.radians(euler_deg(label, convention))
    pitch, yaw, roll = np.moveaxis(own, -1, 0)
    second = np.stack([pitch + np.pi, np.pi - yaw, roll + np.pi], axis=-1)
    first_errors, second_errors = (np.abs(circular_difference(angles, other)) for angles in (own, second))
    nearer = first_errors.sum(axis=-1, keepdims=True) <= second_errors.sum(axis=-1, keepdims=True)
    return np.degrees(np.where(nearer, first_errors, second_errors))


def frobenius_errors(predicted: ArrayLike, label: ArrayLike) -> Float:
    """`‖I − R1·R2ᵀ‖_F = ‖R1 − R2‖_F`, the pose error of DAD-3DHeads.

    Args:
        predicted: (n, 3, 3) camera←head.
        label: (n, 3, 3) camera←head.

    Returns:
        (n,) in [0, 2√2].
    """
    difference = np.asarray(predicted, dtype=np.float64) - np.asarray(label, dtype=np.float64)
    return np.asarray(np.sqrt(np.sum(difference**2, axis=(-2, -1))))


def basis_vector_errors_deg(predicted: ArrayLike, label: ArrayLike) -> Float:
    """Angles between the head's axes (right, down, into the head) of both poses.

    Their mean over heads and axes is the MAEV of TriNet and 6DRepNet360.

    Args:
        predicted: (n, 3, 3) camera←head.
        label: (n, 3, 3) camera←head.

    Returns:
        (n, 3) degrees in [0, 180].
    """
    columns = (np.swapaxes(np.asarray(pose, dtype=np.float64), -1, -2) for pose in (predicted, label))
    return np.asarray(np.degrees(angle_between(*columns)))


def direction_errors_deg(predicted: ArrayLike, direction: ArrayLike) -> Float:
    """Angle between the predicted facing direction and a labelled one.

    Args:
        predicted: (n, 3, 3) camera←head.
        direction: (n, 3) vectors, camera frame.

    Returns:
        (n,) degrees in [0, 180].
    """
    return np.asarray(np.degrees(angle_between(facing_direction(predicted), direction)))


def azimuth_errors_deg(predicted: ArrayLike, azimuth: ArrayLike) -> Float:
    """Absolute circular difference of the azimuth.

    Args:
        predicted: (n, 3, 3) camera←head.
        azimuth: (n,) labels, radians.

    Returns:
        (n,) degrees in [0, 180].
    """
    return np.abs(np.degrees(circular_difference(azimuth_elevation_tilt(predicted)[:, 0], azimuth)))


def elevation_errors_deg(predicted: ArrayLike, elevation: ArrayLike) -> Float:
    """Absolute difference of the elevation.

    Args:
        predicted: (n, 3, 3) camera←head.
        elevation: (n,) labels, radians.

    Returns:
        (n,) degrees.
    """
    return np.abs(np.degrees(azimuth_elevation_tilt(predicted)[:, 1] - np.asarray(elevation, dtype=np.float64)))


def frame_offset(predicted: ArrayLike, label: ArrayLike) -> Float:
    """The one rotation C that brings `predicted·C` closest to the labels (chordal least squares).

    A constant turn of the head's own frame: what two data sets differ by that put the zero pose elsewhere.

    Args:
        predicted: (n, 3, 3) camera←head.
        label: (n, 3, 3) camera←head.

    Returns:
        (3, 3); identity for no heads.
    """
    products = np.swapaxes(np.asarray(predicted, dtype=np.float64), -1, -2) @ np.asarray(label, dtype=np.float64)
    return project_to_rotation(products.sum(axis=0)) if len(products) else np.eye(3)


def azimuth_bands(azimuth: ArrayLike, bands_deg: Sequence[tuple[int, int]] = BANDS_DEG) -> dict[str, Mask]:
    """Which heads are in each band of |azimuth|.

    Args:
        azimuth: (n,) radians.
        bands_deg: the lowest angle of each band, which is in it, and the highest, which is not unless it is 180,
            degrees.

    Returns:
        Name such as "0-60" → (n,) bool.
    """
    turned = np.abs(np.degrees(np.asarray(azimuth, dtype=np.float64)))
    return {f"{low}-{high}": (turned >= low) & ((turned < high) | (high == 180)) for low, high in bands_deg}


def by_azimuth_band(errors: Float, azimuth: ArrayLike) -> dict[str, float]:
    """Mean error by the labelled |azimuth|: 0–60, 60–120, 120–180 degrees.

    Args:
        errors: (n,).
        azimuth: (n,) labels, radians.

    Returns:
        Name such as "0-60" → mean, in the unit of the errors; NaN for a band without heads.
    """
    bands = azimuth_bands(azimuth).items()
    return {name: float(errors[inside].mean()) if inside.any() else float("nan") for name, inside in bands}


def accuracies(errors: Float, thresholds: Sequence[float] = THRESHOLDS_DEG, *, missed: int = 0) -> dict[str, float]:
    """Share of heads whose error is at most each threshold.

    Args:
        errors: (n,), in the unit of the thresholds.
        thresholds: by default degrees.
        missed: heads without a prediction; they count as wrong.

    Returns:
        Threshold, such as "5" → share in [0, 1]; NaN for no heads.
    """
    heads = len(errors) + missed
    return {f"{t:g}": float(np.sum(errors <= t)) / heads if heads else float("nan") for t in thresholds}


def accuracy_intervals(
    errors: Float, groups: ArrayLike | None = None, thresholds: Sequence[float] = THRESHOLDS_DEG
) -> dict[str, list[float]]:
    """The 95 % bootstrap interval of each of `accuracies`.

    Args:
        errors: (n,), in the unit of the thresholds.
        groups: as of `bootstrap_interval`.
        thresholds: by default degrees.

    Returns:
        Threshold, such as "5" → low, high.
    """
    return {f"{t:g}": list(bootstrap_interval(errors <= t, groups=groups)) for t in thresholds}


def summary(errors: Float, groups: ArrayLike | None = None) -> dict[str, Any]:
    """Count, mean and median with their 95 % bootstrap intervals.

    Args:
        errors: (n,) degrees.
        groups: as of `bootstrap_interval`.

    Returns:
        "n", "mean_deg", "mean_95", "median_deg" and "median_95" → figures; NaN for no heads.
    """
    if not len(errors):
        nothing = float("nan")
        return {
            "n": 0,
            "mean_deg": nothing,
            "mean_95": [nothing, nothing],
            "median_deg": nothing,
            "median_95": [nothing, nothing],
        }
    return {
        "n": len(errors),
        "mean_deg": float(errors.mean()),
        "mean_95": list(bootstrap_interval(errors, groups=groups)),
        "median_deg": float(np.median(errors)),
        "median_95": list(bootstrap_interval(errors, np.median, groups=groups)),
    }


def bootstrap_interval(
    errors: ArrayLike,
    statistic: Callable[[Float], Any] = np.mean,
    *,
    groups: ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of the errors.

    Heads of one person err alike, so whole groups are drawn with replacement, as many as there are; without groups
    every head is its own.

    Args:
        errors: (n, ...).
        statistic: errors of the drawn heads → number.
        groups: (n,) who or which photo each head is of.
        draws: bootstrap samples.
        level: share of the samples that the interval holds.
        seed: of the random numbers.

    Returns:
        Low, high; NaN for no heads.
    """
    values = np.asarray(errors, dtype=np.float64)
    if not len(values):
        return float("nan"), float("nan")
    drawn = [float(statistic(values[chosen])) for chosen in resamples(groups, len(values), draws=draws, seed=seed)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resamples(groups: ArrayLike | None, count: int, *, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of the heads of each bootstrap sample: as many groups as there are, drawn with replacement.

    Args:
        groups: (count,) labels of any kind, or None for heads on their own.
        count: heads.
        draws: bootstrap samples.
        seed: of the random numbers.

    Yields:
        (k,) int64, per sample.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        for _ in range(draws):
            yield rng.integers(0, count, count)
        return
    _, first, number = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[number]  # in order of appearance, so that heads on their own draw as above
    order, sizes = np.argsort(number, kind="stable"), np.bincount(number)
    starts = np.cumsum(sizes) - sizes
    for _ in range(draws):
        chosen = rng.integers(0, len(sizes), len(sizes))
        ends = np.cumsum(sizes[chosen])
        # The members of group after group, without a loop: count up within each, from where it starts.
        within = np.arange(ends[-1]) - np.repeat(ends - sizes[chosen], sizes[chosen])
        yield order[np.repeat(starts[chosen], sizes[chosen]) + within]
