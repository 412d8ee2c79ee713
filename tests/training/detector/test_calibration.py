from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.detection.score_calibration import IDENTITY, ScoreCalibration, of_card
from semiuhpe.errors import WeightsError
from semiuhpe.training.detector.calibration import fit


def test_recovers_the_curve_that_made_the_data(rng: np.random.Generator) -> None:
    truth = ScoreCalibration(0.5, 1.6, -0.8)
    scores, sizes = rng.uniform(0.05, 0.95, 40000), np.exp(rng.uniform(2, 5, 40000))
    right = rng.random(40000) < truth(scores, sizes)
    found = fit(scores, sizes, right, ridge=0.0)
    for name in ("offset", "by_logit", "by_size"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=0.08)


def test_is_least_in_cross_entropy(rng: np.random.Generator) -> None:
    scores, sizes = rng.uniform(0.05, 0.95, 500), np.exp(rng.uniform(2, 5, 500))
    right = rng.random(500) < scores

    def loss(curve: ScoreCalibration) -> float:
        p = curve(scores, sizes)
        return float(-np.mean(np.where(right, np.log(p), np.log(1 - p))))

    best = fit(scores, sizes, right, ridge=0.0)
    for change in np.vstack([np.eye(3), -np.eye(3)]) * 0.05:
        near = np.array([best.offset, best.by_logit, best.by_size]) + change
        assert loss(best) < loss(ScoreCalibration(*near))


def test_the_identity_changes_nothing(rng: np.random.Generator) -> None:
    scores = rng.uniform(0.001, 0.999, 50)
    np.testing.assert_allclose(IDENTITY(scores, rng.uniform(1, 300, 50)), scores, atol=1e-12)


def test_separable_data_stay_finite() -> None:
    found = fit(np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 32.0), np.array([False, False, True, True]))
    assert np.all(np.isfinite([found.offset, found.by_logit, found.by_size]))


def test_cards_without_and_with_a_malformed_calibration() -> None:
    assert of_card({}, "x") is IDENTITY
    for raw in (
        {"offset": 1},
        {"offset": 0, "by_logit": -1, "by_size": 0},
        {"offset": "a", "by_logit": 1, "by_size": 0},
    ):
        with pytest.raises(WeightsError, match="score_calibration"):
            of_card({"score_calibration": raw}, "x")
