"""Views of one head made into one rotation with its noise."""

from __future__ import annotations

import numpy as np
import pytest

from semiuhpe.geometry.rotation import geodesic_distance, mirror, random_rotations, rotation_of_vector, rotation_y
from semiuhpe.labelling.opinion import ViewAnswer, combine_views, isotropic, rms_angle_deg
from semiuhpe.poses.uncertainty import FLOOR_DEG


def view(rotation: np.ndarray, covariance: np.ndarray | None = None) -> ViewAnswer:
    return ViewAnswer(rotation, np.ones(len(rotation), bool), covariance)


def test_the_mean_and_the_spread_against_a_loop(rng: np.random.Generator) -> None:
    truth = random_rotations(5, rng)
    errors = rng.normal(0, 0.05, (6, 5, 3))
    views = [view(truth @ rotation_of_vector(error)) for error in errors]
    opinion = combine_views(views, assumed_deg=4.0)
    for head in range(5):
        angles = [float(geodesic_distance(v.rotation[head], opinion.rotation[head])) for v in views]
        assert opinion.spread_deg[head] == pytest.approx(np.degrees(np.sqrt(np.mean(np.square(angles)))), rel=1e-6)
        assert (
            geodesic_distance(opinion.rotation[head], truth[head] @ rotation_of_vector(errors[:, head].mean(0))) < 2e-3
        )
    # What is assumed, the spread and the floor add up as variances.
    expected = np.sqrt(4.0**2 + opinion.spread_deg**2 + FLOOR_DEG**2)
    np.testing.assert_allclose(rms_angle_deg(opinion.covariance), expected, rtol=1e-9)
    assert np.isnan(opinion.own_deg).all()


def test_a_stated_covariance_keeps_its_axes() -> None:
    stated = np.diag(np.radians([6.0, 3.0, 2.0]) ** 2)[None]
    opinion = combine_views([view(np.eye(3)[None], stated)] * 2, assumed_deg=99.0)
    assert opinion.own_deg[0] == pytest.approx(7.0)
    np.testing.assert_allclose(opinion.covariance - isotropic(FLOOR_DEG), stated, atol=1e-12)


def test_a_mirrored_view_is_turned_back(rng: np.random.Generator) -> None:
    """The mirror of an error r is the error (r_x, −r_y, −r_z), so its covariance goes along."""
    rotation, lower = random_rotations(1, rng), np.tril(rng.normal(0, 0.1, (3, 3)))
    errors = rng.normal(size=(40_000, 3)) @ lower.T
    seen = mirror(rotation @ rotation_of_vector(errors))
    back = view(
        seen, np.tile(np.diag([1, -1, -1]) @ lower @ lower.T @ np.diag([1, -1, -1]), (len(seen), 1, 1))
    ).mirrored()
    np.testing.assert_allclose(back.rotation, rotation @ rotation_of_vector(errors), atol=1e-12)
    assert back.covariance is not None
    np.testing.assert_allclose(back.covariance[0], np.cov(errors.T), atol=1e-3)


@pytest.mark.parametrize(("missing", "found"), [(0, True), (1, True), (2, False), (4, False)])
def test_a_head_must_be_found_in_most_views(missing: int, found: bool) -> None:
    turned, nonsense = rotation_y([0.3]), np.full((1, 3, 3), np.nan)
    views = [view(turned)] * (4 - missing) + [ViewAnswer(nonsense, np.zeros(1, bool))] * missing
    opinion = combine_views(views, assumed_deg=5.0)
    assert opinion.found[0] == found
    expected = turned[0] if found else np.eye(3)
    np.testing.assert_allclose(opinion.rotation[0], expected, atol=1e-12)
    assert np.isfinite(opinion.covariance).all()


def test_an_answer_that_is_not_finite_is_none() -> None:
    stated = isotropic(np.array([3.0, np.nan]))
    opinion = combine_views([view(np.tile(np.eye(3), (2, 1, 1)), stated)], assumed_deg=5.0)
    assert opinion.found.tolist() == [True, False]
    assert np.isnan(opinion.own_deg[1]) and np.isfinite(opinion.covariance).all()
