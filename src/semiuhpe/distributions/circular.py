"""Statistics of angles: means and spreads that do not know where the circle was cut (Mardia and Jupp 2000, chapter 2).

Angles are radians. Every angle has a weight; where it has an error bar σ as well, the sensible weight is `time/σ²`, and what
the errors themselves add to the spread can be taken out: independent normal errors shorten the resultant by `exp(−σ²/2)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

LEAST_SIGMA = np.radians(1.0)
"""No angle weighs more than one with this error bar."""


@dataclass(frozen=True)
class CircularSummary:
    """Of weighted angles: mean in (−π, π], NaN of nothing or of what cancels out; resultant length in [0, 1]; spread: the
    circular standard deviation √(−2·ln resultant), and spread_without_errors: what is left of it once the errors are taken
    out. weight: sum of the weights.
    """

    mean: float
    resultant: float
    spread: float
    spread_without_errors: float
    weight: float


def error_weights(seconds: ArrayLike, sigma: ArrayLike) -> Float:
    """Weights of angles that held for so many seconds and are known to σ: `seconds/σ²`. (n,), (n,) → (n,)."""
    return np.asarray(
        np.asarray(seconds, dtype=np.float64) / np.maximum(np.asarray(sigma, dtype=np.float64), LEAST_SIGMA) ** 2
    )


def summarize(angle: ArrayLike, weight: ArrayLike, sigma: ArrayLike = 0.0) -> CircularSummary:
    """Mean and spread. angle: (n,); weight: (n,) not negative; sigma: (n,) or one, error bars of the angles."""
    at, w = np.asarray(angle, dtype=np.float64).ravel(), np.asarray(weight, dtype=np.float64).ravel()
    total = float(w.sum())
    if not total > 0:
        return CircularSummary(np.nan, np.nan, np.nan, np.nan, 0.0)
    vector = complex(np.sum(w * np.exp(1j * at)) / total)
    resultant = min(abs(vector), 1.0)
    mean = float(np.angle(vector)) if resultant > 1e-9 else np.nan
    kept = float(np.sum(w * np.exp(-(np.broadcast_to(sigma, at.shape) ** 2) / 2)) / total)
    return CircularSummary(
        mean, resultant, spread_of(resultant), spread_of(min(1.0, resultant / max(kept, 1e-12))), total
    )


def spread_of(resultant: float) -> float:
    """Circular standard deviation of a resultant length, radians; infinite for 0."""
    return float(np.sqrt(max(0.0, -2.0 * np.log(resultant)))) if resultant > 0 else float(np.inf)


def histogram(angle: ArrayLike, weight: ArrayLike, sectors: int) -> Float:
    """Weight in each of equal sectors, the first one centred on 0, then counter-clockwise. → (sectors,)."""
    at = np.asarray(angle, dtype=np.float64).ravel()
    sector = np.floor(np.mod(at * sectors / (2 * np.pi) + 0.5, sectors)).astype(np.int64) % sectors
    return np.bincount(sector, np.asarray(weight, dtype=np.float64).ravel(), minlength=sectors)
