from __future__ import annotations

import json

import numpy as np
import pytest

from semiuhpe.errors import InputError
from semiuhpe.geometry.rotation import (
    geodesic_distance,
    project_to_rotation,
    random_rotations,
    rotation_of_vector,
    rotation_vector,
    rotation_y,
)
from semiuhpe.tracking.smoothing import FORGET_S, RotationSmoother


def smooth(rotation: np.ndarray, error: np.ndarray, rate: float, constant: float) -> np.ndarray:
    smoother = RotationSmoother(constant)
    return np.concatenate([smoother([1], r[None], [e], i / rate) for i, (r, e) in enumerate(zip(rotation, error))])  # noqa: B905


def noisy(truth: np.ndarray, error: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Isotropic noise whose expected angle is about `error` degrees."""
    sigma = np.radians(error) / 1.6
    return rotation_of_vector(rng.normal(size=(len(truth), 3)) * sigma[:, None]) @ truth


def karcher_mean(rotation: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The slow oracle: gradient descent to the point of least weighted squared angles."""
    mean = rotation[np.argmax(weight)]
    for _ in range(200):
        step = (weight[:, None] * rotation_vector(rotation @ mean.T)).sum(axis=0) / weight.sum()
        mean = rotation_of_vector(step) @ mean
    return mean


def test_it_is_the_weighted_mean_of_all_frames_so_far(rng: np.random.Generator) -> None:
    error = rng.uniform(3, 15, 40)
    rotation = noisy(np.tile(random_rotations(1, rng)[0], (40, 1, 1)), error, rng)
    result = smooth(rotation, error, 25.0, 0.4)
    for last in (0, 5, 39):
        age = (last - np.arange(last + 1)) / 25.0
        weight = np.exp(-age / 0.4) / np.radians(error[: last + 1]) ** 2
        chordal = project_to_rotation((weight[:, None, None] * rotation[: last + 1]).sum(axis=0))
        assert geodesic_distance(result[last], chordal) < 1e-9
        karcher = karcher_mean(rotation[: last + 1], weight)
        assert np.degrees(geodesic_distance(result[last], karcher)) < 0.3


def test_noise_of_a_still_head_falls_as_theory_says(rng: np.random.Generator) -> None:
    count, rate, constant = 4000, 25.0, 0.4
    truth, error = np.tile(np.eye(3), (count, 1, 1)), np.full(count, 8.0)
    rotation = noisy(truth, error, rng)
    before = np.sqrt((geodesic_distance(rotation, truth)[200:] ** 2).mean())
    after = np.sqrt((geodesic_distance(smooth(rotation, error, rate, constant), truth)[200:] ** 2).mean())
    a = np.exp(-1 / rate / constant)
    assert after / before == pytest.approx(np.sqrt((1 - a) / (1 + a)), rel=0.1)


def test_sure_frames_count_for_more(rng: np.random.Generator) -> None:
    error = np.where(np.arange(600) % 2 == 0, 3.0, 40.0)
    truth = np.tile(np.eye(3), (600, 1, 1))
    rotation = noisy(truth, error, rng)
    weighed = geodesic_distance(smooth(rotation, error, 25.0, 0.4), truth).mean()
    alike = geodesic_distance(smooth(rotation, np.full(600, 10.0), 25.0, 0.4), truth).mean()
    assert weighed < 0.4 * alike


def test_the_stated_lag() -> None:
    rate, constant, speed = 50.0, 0.3, np.radians(40.0)
    truth = rotation_y(speed * np.arange(300) / rate)
    result = smooth(truth, np.full(300, 5.0), rate, constant)
    a = np.exp(-1 / rate / constant)
    lag_s = geodesic_distance(result[-1], truth[-1]) / speed
    assert lag_s == pytest.approx(a / (1 - a) / rate, rel=0.02)
    assert 0.9 * constant < lag_s < constant


def test_unknown_frames_have_no_weight_and_untracked_ones_pass(rng: np.random.Generator) -> None:
    smoother = RotationSmoother(0.5)
    first, other = random_rotations(2, rng)
    np.testing.assert_allclose(smoother([1], first[None], [5.0], 0.0)[0], first, atol=1e-12)
    np.testing.assert_allclose(smoother([1], other[None], [180.0], 0.04)[0], first, atol=1e-12)
    np.testing.assert_array_equal(smoother([-1], other[None], [5.0], 0.08)[0], other)
    np.testing.assert_array_equal(smoother([2], other[None], [180.0], 0.08)[0], other)
    assert smoother([], np.zeros((0, 3, 3)), [], 0.1).shape == (0, 3, 3)


def test_tracks_are_apart_and_forgotten(rng: np.random.Generator) -> None:
    rotation = random_rotations(2, rng)
    smoother = RotationSmoother(0.5)
    smoother([1, 2], rotation, [5.0, 5.0], 0.0)
    np.testing.assert_allclose(smoother([2, 1], rotation[::-1], [5.0, 5.0], 0.1), rotation[::-1], atol=1e-9)
    smoother([3], rotation[:1], [5.0], 0.2 + FORGET_S)
    assert list(smoother.state()) == ["3"]


def test_state_goes_on_to_the_bit(rng: np.random.Generator) -> None:
    rotation, error = random_rotations(20, rng), rng.uniform(2, 30, 20)
    expected = smooth(rotation, error, 25.0, 0.3)
    first, second = RotationSmoother(0.3), RotationSmoother(0.3)
    got = [first([1], rotation[i : i + 1], error[i : i + 1], i / 25.0)[0] for i in range(9)]
    second.restore(json.loads(json.dumps(first.state())))
    got += [second([1], rotation[i : i + 1], error[i : i + 1], i / 25.0)[0] for i in range(9, 20)]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("constant", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_time_constants(constant: float) -> None:
    with pytest.raises(InputError, match="smoothing time"):
        RotationSmoother(constant)
