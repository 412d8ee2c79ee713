from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from semiuhpe.evaluation import metrics
from semiuhpe.geometry.euler import euler_deg, from_euler_deg
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


def circular(first: float, second: float) -> float:
    """Smallest difference of two angles in degrees, by trying whole turns."""
    return min(abs(first - second + 360 * turns) for turns in range(-3, 4))


def test_nearest_euler_errors_against_trying_both_triples(rng: np.random.Generator) -> None:
    predicted, label = random_rotations(200, rng), random_rotations(200, rng)
    label[:100] = predicted[:100] @ from_euler_deg(rng.normal(0, 8, (100, 3)), "300w-lp")
    got = metrics.nearest_euler_errors_deg(predicted, label)
    for i in range(200):
        pitch, yaw, roll = euler_deg(predicted[i], "300w-lp")
        truth = euler_deg(label[i], "300w-lp")
        tries = [
            [circular(a, b) for a, b in zip(triple, truth, strict=True)]
            for triple in ((pitch, yaw, roll), (pitch + 180, 180 - yaw, roll + 180))
        ]
        np.testing.assert_allclose(got[i], min(tries, key=sum), atol=1e-9)


def test_nearest_euler_errors_cross_the_fold_and_are_plain_in_front() -> None:
    """A label at yaw 95° and a prediction at 85° differ by 10° and nothing else."""
    label, predicted = (from_euler_deg([[5.0, yaw, 3.0]], "300w-lp") for yaw in (95.0, 85.0))
    np.testing.assert_allclose(metrics.nearest_euler_errors_deg(predicted, label), [[0, 10, 0]], atol=1e-9)
    assert metrics.euler_errors_deg(predicted, euler_deg(label, "300w-lp"))[0, 0] > 170
    front = np.random.default_rng(0).uniform(-60, 60, (2, 50, 3))
    first, second = (from_euler_deg(angles, "300w-lp") for angles in front)
    np.testing.assert_allclose(
        metrics.nearest_euler_errors_deg(first, second), metrics.euler_errors_deg(first, front[1]), atol=1e-9
    )


def test_nearest_euler_errors_do_not_forgive_half_turns() -> None:
    """The common minimum over shifts of ±180° calls this head from behind perfect."""
    behind, front = (from_euler_deg([[0.0, yaw, 0.0]], "300w-lp") for yaw in (180.0, 0.0))
    assert metrics.nearest_euler_errors_deg(behind, front).max() == pytest.approx(180)


def test_frobenius_against_its_definition(rng: np.random.Generator) -> None:
    predicted, label = random_rotations(60, rng), random_rotations(60, rng)
    slow = [np.linalg.norm(np.eye(3) - p @ q.T) for p, q in zip(predicted, label, strict=True)]
    np.testing.assert_allclose(metrics.frobenius_errors(predicted, label), slow)
    angle = np.radians(metrics.geodesic_errors_deg(predicted, label))
    np.testing.assert_allclose(slow, 2 * np.sqrt(2) * np.sin(angle / 2))


def test_geodesic_basis_vectors_and_directions_against_arccosines(rng: np.random.Generator) -> None:
    predicted, label = random_rotations(60, rng), random_rotations(60, rng)
    vectors = metrics.basis_vector_errors_deg(predicted, label)
    for i in range(60):
        cosine = (np.trace(predicted[i] @ label[i].T) - 1) / 2
        assert metrics.geodesic_errors_deg(predicted, label)[i] == pytest.approx(np.degrees(np.arccos(cosine)))
        for axis in range(3):
            cosine = predicted[i][:, axis] @ label[i][:, axis]
            assert vectors[i, axis] == pytest.approx(np.degrees(np.arccos(np.clip(cosine, -1, 1))), abs=1e-6)
    np.testing.assert_allclose(metrics.direction_errors_deg(predicted, -label[:, :, 2]), vectors[:, 2])


def test_accuracies_against_counting(rng: np.random.Generator) -> None:
    errors = np.append(rng.uniform(0, 60, 99), 10.0)
    for threshold in (5, 10, 15, 30):
        count = sum(1 for error in errors if error <= threshold)
        assert metrics.accuracies(errors)[str(threshold)] == pytest.approx(count / 100)
        assert metrics.accuracies(errors, missed=25)[str(threshold)] == pytest.approx(count / 125)
    assert np.isnan(metrics.accuracies(np.zeros(0))["5"])
    assert metrics.accuracies(np.zeros(0), missed=3)["5"] == 0


def test_frame_offset_against_a_search(rng: np.random.Generator) -> None:
    label = random_rotations(40, rng)
    offset = random_rotations(1, rng)[0]
    noise = from_euler_deg(rng.normal(0, 6, (40, 3)), "300w-lp")
    predicted = noise @ label @ offset.T
    found = metrics.frame_offset(predicted, label)
    assert metrics.geodesic_errors_deg(found, offset) < 3

    def cost(vector: np.ndarray) -> float:
        return float(np.sum((predicted @ Rotation.from_rotvec(vector).as_matrix() - label) ** 2))

    start = Rotation.from_matrix(offset).as_rotvec()
    best = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}).x
    np.testing.assert_allclose(found, Rotation.from_rotvec(best).as_matrix(), atol=1e-5)
    np.testing.assert_array_equal(metrics.frame_offset(np.zeros((0, 3, 3)), np.zeros((0, 3, 3))), np.eye(3))


def test_summary_against_numbers_by_hand() -> None:
    found = metrics.summary(np.array([1.0, 2.0, 9.0]))
    assert (found["n"], found["mean_deg"], found["median_deg"]) == (3, 4.0, 2.0)
    assert found["mean_95"] == list(metrics.bootstrap_interval(np.array([1.0, 2.0, 9.0])))
    assert found["mean_95"][0] < 4.0 < found["mean_95"][1]
    empty = metrics.summary(np.zeros(0))
    assert empty["n"] == 0 and np.isnan([empty["mean_deg"], empty["median_deg"], *empty["mean_95"]]).all()


def test_bootstrap_interval_against_every_resample() -> None:
    """Of three numbers there are 27 equally likely resamples; the interval ends at quantiles of their means."""
    errors = np.array([0.0, 3.0, 12.0])
    means = [np.mean(sample) for sample in itertools.product(errors, repeat=3)]
    low, high = metrics.bootstrap_interval(errors, draws=20_000, level=0.8)
    assert low == pytest.approx(np.quantile(means, 0.1, method="inverted_cdf"))
    assert high == pytest.approx(np.quantile(means, 0.9, method="inverted_cdf"))


def slow_group_bootstrap(
    errors: np.ndarray, groups: list[str], statistic: Callable[[np.ndarray], float], draws: int, seed: int
) -> tuple[float, float]:
    """Names out of a hat, as many as there are, each put back; all heads of each name drawn, as often as it is."""
    generator = np.random.default_rng(seed)
    names = list(dict.fromkeys(groups))
    values = []
    for _ in range(draws):
        sample: list[float] = []
        for pick in generator.integers(0, len(names), len(names)):
            sample += [e for e, group in zip(errors, groups, strict=True) if group == names[pick]]
        values.append(statistic(np.array(sample)))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_group_bootstrap_against_drawing_names(
    rng: np.random.Generator, statistic: Callable[[np.ndarray], float]
) -> None:
    groups = [f"person{n}" for n in rng.integers(0, 6, 40)]
    errors = rng.exponential(5, 40)
    expected = slow_group_bootstrap(errors, groups, statistic, 200, 3)
    got = metrics.bootstrap_interval(errors, statistic, groups=groups, draws=200, seed=3)
    assert got == pytest.approx(expected)


def test_heads_on_their_own_are_groups_of_one(rng: np.random.Generator) -> None:
    errors = rng.exponential(5, 50)
    names = [f"h{n}" for n in range(50)]  # sorted otherwise than they come
    assert metrics.bootstrap_interval(errors, groups=names) == metrics.bootstrap_interval(errors)


def test_intervals_by_person_cover_where_those_by_head_do_not() -> None:
    """Eight persons whose errors differ more than the heads of one do, as in Pointing'04: the truth is 10 degrees."""
    inside = {"person": 0, "head": 0}
    for trial in range(60):
        generator = np.random.default_rng(trial)
        groups = np.repeat(np.arange(8), 40)
        errors = 10 + generator.normal(0, 3, 8)[groups] + generator.normal(0, 3, 320)
        for name, by in (("person", groups), ("head", None)):
            low, high = metrics.bootstrap_interval(errors, groups=by, draws=200, seed=trial)
            inside[name] += low <= 10 <= high
    assert inside["person"] >= 48 > 35 >= inside["head"]


def test_no_heads_have_no_interval() -> None:
    assert np.isnan(metrics.bootstrap_interval(np.zeros(0), groups=[])).all()
    assert np.isnan(metrics.bootstrap_interval(np.zeros((0, 3)))).all()
