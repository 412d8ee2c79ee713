from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.detection.head_probability import HeadProbability
from semiuhpe.training.detector.confirmation import OF_SIZE, PRECISION, fit, settle, threshold_for


def drawn(truth: HeadProbability, count: int, rng: np.random.Generator) -> np.ndarray:
    scores, sizes = rng.uniform(0.05, 0.95, count), np.exp(rng.uniform(2.3, 5, count))
    errors = np.exp(rng.uniform(1.5, 4.5, count))
    return np.stack([scores, sizes, errors, rng.random(count) < truth(scores, sizes, errors)], axis=1)


def test_recovers_the_curve_that_made_the_data(rng: np.random.Generator) -> None:
    truth = HeadProbability(0.6, 1.3, 0.4, -1.2, -0.3, candidates=0.2, threshold=0.5)
    table = drawn(truth, 40000, rng)
    found = fit(table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0, ridge=0.0)
    for name in ("offset", "by_logit", "by_size", "by_error", "by_error_and_size"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=0.12)


def test_the_threshold_keeps_its_promise_and_is_the_lowest_that_does(rng: np.random.Generator) -> None:
    probability = rng.random(500)
    right = rng.random(500) < 0.5 + 0.5 * probability
    threshold = threshold_for(probability, right, 0.9)
    assert right[probability >= threshold].mean() >= 0.9
    for lower in probability[probability < threshold]:
        assert right[probability >= lower].mean() < 0.9
    assert threshold_for(np.array([0.3, 0.6]), np.array([False, False]), 0.9) >= 0.6
    assert threshold_for(np.zeros(0), np.zeros(0, bool), 0.9) == 1.0


def test_the_threshold_is_of_boxes_that_are_not_tiny(rng: np.random.Generator) -> None:
    table = drawn(HeadProbability(0.6, 1.3, 0.4, -1.2, -0.3, candidates=0.2, threshold=0.5), 4000, rng)
    table[table[:, 1] < OF_SIZE, 3] = 0  # whatever becomes of the tiny ones
    found = settle(table)
    large = table[table[:, 1] >= OF_SIZE]
    kept = found(large[:, 0], large[:, 1], large[:, 2]) >= found.threshold
    assert large[kept, 3].mean() == pytest.approx(PRECISION, abs=0.01)


def test_nothing_found_is_nothing_to_fit() -> None:
    found = settle(np.zeros((0, 4)))
    assert np.isfinite(found(np.array([0.5]), np.array([30.0]), np.array([8.0]))).all()
    assert found.threshold == 1.0


def test_a_score_that_tells_nothing_is_left_as_it_is(rng: np.random.Generator) -> None:
    scores = rng.uniform(0.2, 0.9, 400)
    found = fit(scores, np.full(400, 32.0), np.full(400, 10.0), scores < 0.5)
    np.testing.assert_allclose(found(scores, np.full(400, 32.0), np.full(400, 10.0)), scores, atol=1e-9)
