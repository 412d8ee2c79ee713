"""From a belief to calibrated error bars in degrees, as a model card lays down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import WeightsError
from semiuhpe.geometry.rotation import Float
from semiuhpe.poses.uncertainty import entropy, expected_error_deg

UNKNOWN_DEG = 180.0
"""The error bar of an output that is not finite."""

KEY = "calibration"
"""Of the model card."""

_RADIUS_90 = 1.4435
"""90 % radius over expected error of a small isotropic error: √(χ²₃(0.9)/3); `acos E[cos θ]` is then √3·σ."""


@dataclass(frozen=True)
class ErrorBars:
    """Error bars of n heads.

    Attributes:
        entropy: (n,) of the belief, nats relative to uniform.
        expected_error_deg: (n,) how far off to expect the rotation, degrees.
        error_90_deg: (n,) the radius that holds the truth in 9 of 10 cases, degrees.
    """

    entropy: Float
    expected_error_deg: Float
    error_90_deg: Float


class ErrorModel:
    """Error bars of matrix Fisher parameters.

    A card with `"calibration": {"kind": "isotonic", "entropy": […], "expected_error_deg": […], "error_90_deg": […]}`,
    as `semiuhpe calibrate` writes it, maps entropy to errors by linear interpolation in that table (entropies
    ascending, constant beyond both ends). A card without one uses the formula of `uncertainty.expected_error_deg` with
    the card's `overreg` (1.025 where it has none), and the 90 % radius of a small isotropic error.

    Args:
        card: the model card of the weights.

    Raises:
        WeightsError: a calibration that is malformed.
    """

    def __init__(self, card: Mapping[str, Any]) -> None:
        self.overreg = float(card.get("overreg", 1.025))
        self._table = None if card.get(KEY) is None else _table(card[KEY])

    def __call__(self, parameter: NDArray[np.float64]) -> ErrorBars:
        """Error bars of beliefs.

        Args:
            parameter: (n, 3, 3) matrix Fisher parameters, any values.

        Returns:
            Bars of n heads; a parameter that is not finite has entropy 0 and bars of `UNKNOWN_DEG`.
        """
        finite = np.asarray(np.isfinite(parameter).all(axis=(-2, -1)))
        safe = np.where(finite[..., None, None], parameter, 0.0)
        amount = entropy(safe)
        if self._table is None:
            expected = expected_error_deg(safe, self.overreg)
            radius = np.minimum(_RADIUS_90 * expected, UNKNOWN_DEG)
        else:
            at, mean, ninety = self._table
            expected, radius = np.interp(amount, at, mean), np.interp(amount, at, ninety)
        return ErrorBars(
            np.where(finite, amount, 0.0),
            np.where(finite, expected, UNKNOWN_DEG),
            np.where(finite, radius, UNKNOWN_DEG),
        )


def _table(calibration: Any) -> tuple[Float, Float, Float]:
    try:
        kind = calibration["kind"]
        names = ("entropy", "expected_error_deg", "error_90_deg")
        at, mean, ninety = (np.asarray(calibration[name], dtype=np.float64) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"model card: the calibration is malformed ({error}); run semiuhpe calibrate again"
        ) from error
    alike = at.ndim == 1 and at.size > 0 and at.shape == mean.shape == ninety.shape
    ascending = alike and all(np.isfinite(v).all() and np.all(np.diff(v) >= 0) for v in (at, mean, ninety))
    if kind != "isotonic" or not ascending or np.any(mean < 0) or np.any(ninety < 0):
        raise WeightsError(
            "model card: a calibration is of kind 'isotonic' with three equally long ascending lists, 'entropy', "
            "'expected_error_deg' and 'error_90_deg'; run semiuhpe calibrate again"
        )
    return at, mean, ninety
