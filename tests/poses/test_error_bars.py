from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from semiuhpe.errors import WeightsError
from semiuhpe.poses.error_bars import UNKNOWN_DEG, ErrorModel
from semiuhpe.poses.uncertainty import expected_error_deg

GOOD = {"kind": "isotonic", "entropy": [-5, 0], "expected_error_deg": [3, 60], "error_90_deg": [6, 150]}


def test_without_a_calibration_the_formula_holds() -> None:
    parameter = np.stack([np.eye(3), 15 * np.eye(3)])
    bars = ErrorModel({"overreg": 1.0})(parameter)
    np.testing.assert_allclose(bars.expected_error_deg, expected_error_deg(parameter, 1.0))
    assert (bars.error_90_deg >= bars.expected_error_deg).all()


def test_the_radius_of_the_formula_holds_nine_of_ten_small_errors(rng: np.random.Generator) -> None:
    """Gaussian rotation vectors of σ per axis: E[cos θ] gives √3·σ, and 90 % lie within √χ²₃(0.9)·σ."""
    bars = ErrorModel({"overreg": 1.0})(400 * np.eye(3)[None])
    angle_deg = np.linalg.norm(rng.normal(0, bars.expected_error_deg[0] / np.sqrt(3), (200_000, 3)), axis=1)
    assert np.mean(angle_deg <= bars.error_90_deg[0]) == pytest.approx(0.9, abs=0.003)
    assert bars.error_90_deg[0] / bars.expected_error_deg[0] == pytest.approx(np.sqrt(chi2(3).ppf(0.9) / 3), abs=1e-4)


def test_a_calibration_is_looked_up_by_entropy() -> None:
    bars = ErrorModel({"calibration": GOOD})(np.stack([np.eye(3) * 1e4, np.zeros((3, 3)), np.full((3, 3), np.inf)]))
    assert bars.expected_error_deg.tolist() == pytest.approx([3, 60, UNKNOWN_DEG])
    assert bars.error_90_deg.tolist() == pytest.approx([6, 150, UNKNOWN_DEG])
    assert bars.entropy[2] == 0


@pytest.mark.parametrize(
    "change",
    [{"kind": "x"}, {"entropy": [0, -5]}, {"entropy": [1]}, {"expected_error_deg": "no"}, {"error_90_deg": [9, 2]}],
)
def test_malformed_calibrations_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="calibrat"):
        ErrorModel({"calibration": {**GOOD, **change}})
