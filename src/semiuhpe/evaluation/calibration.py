"""Are the error bars honest? Fitting them on a validation split, and measuring them anywhere. numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

LEAST_A_BIN = 25
"""Heads in a bin of the fit: enough for a 90 % quantile."""

MOST_BINS = 40

GUESS_MEAN_DEG, GUESS_50_DEG, GUESS_90_DEG = 126.476, 132.346, 170.981
"""Error of a random rotation, whose angle θ has the distribution (θ − sin θ)/π: its mean, π/2 + 2/π, and quantiles."""


def isotonic(values: ArrayLike, weights: ArrayLike | None = None) -> Float:
    """Least-squares ascending fit by pooling adjacent violators. values (n,), weights (n,) → (n,)."""
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    means: list[float] = []
    sums: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        means.append(float(value))
        sums.append(float(weight))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            total = sums[-2] + sums[-1]
            means[-2] = (means[-2] * sums[-2] + means[-1] * sums[-1]) / total
            sums[-2], counts[-2] = total, counts[-2] + counts[-1]
            del means[-1], sums[-1], counts[-1]
    return np.repeat(means, counts)


def fit_calibration(entropy: ArrayLike, errors_deg: ArrayLike) -> dict[str, Any]:
    """The calibration of a model card (see `semiuhpe.poses.error_bars`) from beliefs whose errors are known.

    entropy, errors_deg: (n,), n ≥ 2·`LEAST_A_BIN`. Heads are sorted by entropy and cut into bins of equal counts; each
    gives its mean error and its 50 % and 90 % quantiles, made ascending. Beyond the least sure bin the bars rise to those of
    a guess at entropy 0, a belief that knows nothing. Raises ValueError for fewer heads.
    """
    entropy, errors = np.asarray(entropy, dtype=np.float64), np.asarray(errors_deg, dtype=np.float64)
    if entropy.shape != errors.shape or len(errors) < 2 * LEAST_A_BIN:
        raise ValueError(f"a calibration needs at least {2 * LEAST_A_BIN} heads with an entropy and an error each")
    order = np.argsort(entropy, kind="stable")
    bins = np.array_split(order, min(MOST_BINS, len(order) // LEAST_A_BIN))
    sizes = [len(b) for b in bins]

    def ascending(statistic: list[float], of_a_guess: float) -> list[float]:
        fitted = [*np.minimum(isotonic(statistic, sizes), of_a_guess), of_a_guess]
        return [round(float(v), 3) for v in fitted]

    return {
        "kind": "isotonic",
        "entropy": [*(round(min(float(entropy[b].mean()), 0.0), 5) for b in bins), 0.0],
        "expected_error_deg": ascending([float(errors[b].mean()) for b in bins], GUESS_MEAN_DEG),
        "error_50_deg": ascending([_quantile(errors[b], 0.5) for b in bins], GUESS_50_DEG),
        "error_90_deg": ascending([_quantile(errors[b], 0.9) for b in bins], GUESS_90_DEG),
        "heads": len(errors),
    }


def _quantile(errors: Float, share: float) -> float:
    """The quantile that holds a new draw with probability `share`, not that of the sample (split conformal)."""
    return float(np.quantile(errors, min(1.0, share * (len(errors) + 1) / len(errors))))


_RADIUS_50 = 0.8880
"""50 % radius over expected error of a small isotropic error: √(χ²₃(0.5)/3), see `error_model`."""


def radius_50_deg(card: Mapping[str, Any], entropy: ArrayLike, expected_error_deg: ArrayLike) -> Float:
    """The radius that holds half of the errors, as the model card states it, degrees. (n,), (n,) → (n,).

    From the card's calibration where it has an `error_50_deg`, else that of a small isotropic error.
    """
    table = card.get("calibration") or {}
    if "error_50_deg" in table:
        return np.asarray(np.interp(np.asarray(entropy, dtype=np.float64), table["entropy"], table["error_50_deg"]))
    return np.minimum(_RADIUS_50 * np.asarray(expected_error_deg, dtype=np.float64), 180.0)


def isotropic_radius(share: ArrayLike) -> Float:
    """Radius that holds a share of the lengths of standard normal 3-vectors: √χ²₃(share). [0, 1) → (...,)."""
    grid = np.linspace(0.0, 12.0, 4801)
    density = np.sqrt(2 / np.pi) * grid**2 * np.exp(-(grid**2) / 2)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    return np.asarray(np.interp(np.asarray(share, dtype=np.float64), below / below[-1], grid))


def coverage_curve(errors_deg: ArrayLike, error_50_deg: ArrayLike, error_90_deg: ArrayLike, shares: ArrayLike) -> Float:
    """Share of errors within the radius of each stated share. (n,), (n,), (n,), (k,) in (0, 1) → (k,).

    A model states two radii. Those of other shares follow a power of the isotropic error's that runs through both.
    """
    half, wide = (np.maximum(np.asarray(r, dtype=np.float64), 1e-6) for r in (error_50_deg, error_90_deg))
    at_half, at_wide = np.log(isotropic_radius([0.5, 0.9]))
    power = np.log(wide / half) / (at_wide - at_half)
    steps = np.log(np.maximum(isotropic_radius(shares), 1e-6)) - at_wide
    return np.array([coverage(errors_deg, wide * np.exp(power * step)) for step in steps])


def reliability(expected_deg: ArrayLike, errors_deg: ArrayLike, bins: int = 10) -> tuple[Float, Float]:
    """Mean expected and mean true error of heads sorted by expectation, in bins of equal counts. (n,), (n,) → (k,), (k,)."""
    expected, errors = np.asarray(expected_deg, dtype=np.float64), np.asarray(errors_deg, dtype=np.float64)
    parts = np.array_split(np.argsort(expected, kind="stable"), max(1, min(bins, len(expected))))
    parts = [part for part in parts if len(part)]
    return np.array([expected[part].mean() for part in parts]), np.array([errors[part].mean() for part in parts])


def coverage(errors_deg: ArrayLike, radius_deg: ArrayLike) -> float:
    """Share of heads whose error is within its radius. (n,), (n,) → [0, 1]; NaN for none."""
    errors, radius = np.asarray(errors_deg, dtype=np.float64), np.asarray(radius_deg, dtype=np.float64)
    return float(np.mean(errors <= radius)) if len(errors) else float("nan")


def risk_coverage(errors_deg: ArrayLike, uncertainty: ArrayLike) -> tuple[Float, Float]:
    """Mean error of the surest heads, for every share of them (Geifman & El-Yaniv 2017). → shares (n,), risks (n,).

    Heads of equal uncertainty are taken in together, as their average.
    """
    errors, uncertainty = np.asarray(errors_deg, dtype=np.float64), np.asarray(uncertainty, dtype=np.float64)
    order = np.argsort(uncertainty, kind="stable")
    _, group = np.unique(uncertainty[order], return_inverse=True)
    means = np.bincount(group, errors[order]) / np.bincount(group)
    count = np.arange(1, len(errors) + 1)
    return count / len(errors), np.cumsum(means[group]) / count


def aurc(errors_deg: ArrayLike, uncertainty: ArrayLike) -> float:
    """Area under the risk–coverage curve, degrees: lower where the uncertainty sorts errors better."""
    _, risk = risk_coverage(errors_deg, uncertainty)
    return float(risk.mean())
