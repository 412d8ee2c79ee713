from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.evaluation import metrics
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import facing_direction, from_azimuth_elevation_tilt, random_rotations


def test_a_perfect_prediction_scores_exactly_zero(rng: np.random.Generator) -> None:
    """The linear extrapolation of a common geodesic loss gives 0.405° here."""
    rotation = random_rotations(50, rng)
    assert metrics.geodesic_errors_deg(rotation, rotation).max() == 0
    assert metrics.direction_errors_deg(rotation, facing_direction(rotation)).max() == pytest.approx(0, abs=1e-6)


def test_euler_errors_are_circular() -> None:
    predicted = from_euler_deg(np.array([[0.0, 10.0, 179.0]]), "300w-lp")
    np.testing.assert_allclose(metrics.euler_errors_deg(predicted, [[0.0, 12.0, -179.0]]), [[0, 2, 2]], atol=1e-9)


def test_azimuth_errors_do_not_forgive_half_turns() -> None:
    behind = from_azimuth_elevation_tilt(np.pi, 0.3, 0.1)[None]
    assert metrics.azimuth_errors_deg(behind, [0.0])[0] == pytest.approx(180)
    assert metrics.azimuth_errors_deg(behind, [-np.pi + 0.01])[0] == pytest.approx(np.degrees(0.01))
    assert metrics.elevation_errors_deg(behind, [0.2])[0] == pytest.approx(np.degrees(0.1))


def test_bands_split_by_the_label() -> None:
    azimuth = np.radians([0.0, -59, 61, -100, 121, 180, -180])
    bands = metrics.by_azimuth_band(np.arange(7.0), azimuth)
    assert bands == {"0-60": 0.5, "60-120": 2.5, "120-180": 5.0}
    assert np.isnan(metrics.by_azimuth_band(np.ones(1), np.zeros(1))["60-120"])


def test_bootstrap_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(60):
        low, high = metrics.bootstrap_interval(rng.exponential(5, 120), draws=200, seed=trial)
        inside += low <= 5 <= high
    assert inside >= 50
