"""Circular statistics against SciPy and against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from semiuhpe.distributions.circular import error_weights, histogram, spread_of, summarize


@pytest.mark.parametrize("shift", [0.0, 1.0, np.pi, -3.0])
def test_mean_and_spread_are_scipys_wherever_the_circle_is_cut(shift: float, rng: np.random.Generator) -> None:
    angle = rng.vonmises(shift, 3.0, 400)
    found = summarize(angle, np.ones(400))
    assert np.cos(found.mean - stats.circmean(angle)) == pytest.approx(1.0)
    assert found.spread == pytest.approx(stats.circstd(angle))
    assert found.resultant == pytest.approx(1 - stats.circvar(angle))


def test_weights_count_as_repetitions(rng: np.random.Generator) -> None:
    angle, times = rng.uniform(-np.pi, np.pi, 30), rng.integers(0, 5, 30)
    weighted, repeated = summarize(angle, times), summarize(np.repeat(angle, times), np.ones(times.sum()))
    assert (weighted.mean, weighted.spread) == pytest.approx((repeated.mean, repeated.spread))
    assert weighted.weight == times.sum()


def test_halves_at_the_cut_average_to_the_back() -> None:
    found = summarize(np.radians([179.0, -179.0]), [1, 1])
    assert abs(np.degrees(found.mean)) == pytest.approx(180)
    assert np.degrees(found.spread) == pytest.approx(1, abs=0.01)


def test_what_the_errors_add_is_taken_out(rng: np.random.Generator) -> None:
    sigma = rng.uniform(0.05, 0.6, 40_000)
    angle = 2.0 + rng.normal(0, 0.25, 40_000) + rng.normal(0, 1, 40_000) * sigma
    for weight in (np.ones(40_000), error_weights(1.0, sigma)):
        found = summarize(angle, weight, sigma)
        assert found.spread_without_errors == pytest.approx(0.25, abs=0.01)
        assert found.spread > 0.26
        assert found.mean == pytest.approx(2.0, abs=0.01)
    # What is only noise has no spread of its own, never a negative one.
    still = summarize(rng.normal(0, 0.2, 50), np.ones(50), 0.4)
    assert still.spread_without_errors == 0


def test_error_weights_are_those_of_a_weighted_mean() -> None:
    assert (
        error_weights([2.0, 1.0], np.radians([2.0, 4.0]))[0] / error_weights([2.0, 1.0], np.radians([2.0, 4.0]))[1] == 8
    )
    assert error_weights(1.0, 0.0) == error_weights(1.0, np.radians(1.0))  # no angle is known better than labels agree


def test_nothing_and_what_cancels_out_have_no_mean() -> None:
    assert np.isnan(summarize([], []).mean)
    assert np.isnan(summarize([1.0], [0.0]).spread)
    opposite = summarize([0.0, np.pi], [1, 1])
    assert np.isnan(opposite.mean) and opposite.spread > 5
    assert spread_of(0.0) == np.inf
    assert spread_of(1.0) == 0


def test_a_rose_against_counting(rng: np.random.Generator) -> None:
    angle, weight = rng.uniform(-10, 10, 500), rng.uniform(0, 1, 500)
    found = histogram(angle, weight, 8)
    for number in range(8):
        off = np.abs(np.angle(np.exp(1j * (angle - number * np.pi / 4))))
        assert found[number] == pytest.approx(weight[off < np.pi / 8].sum())
    assert histogram([], [], 4).tolist() == [0, 0, 0, 0]
