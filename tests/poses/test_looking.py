"""Who looks at what, against draws from the belief."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from semiuhpe.distributions.isotropic import kappa_of_mean_angle, mean_angle_of
from semiuhpe.errors import InputError
from semiuhpe.geometry.rotation import angle_between, facing_direction, random_rotations, rotation_of_vector
from semiuhpe.poses.camera import Camera
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.poses.looking import facing_within, looks_at, looks_at_point
from semiuhpe.poses.position import HeadPositions, head_positions


def drawn_errors(kappa: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations with density ∝ exp(κ·tr R), by rejection from a grid of the angle: sin²½θ·exp(−4κ·sin²½θ). (n, 3, 3)"""
    theta = np.linspace(0, np.pi, 20001)
    mass = np.sin(theta / 2) ** 2 * np.exp(-4 * kappa * np.sin(theta / 2) ** 2)
    cumulative = np.concatenate([[0], np.cumsum((mass[1:] + mass[:-1]) / 2)])
    angle = np.interp(rng.random(count), cumulative / cumulative[-1], theta)
    axis = rng.normal(size=(count, 3))
    return rotation_of_vector(axis / np.linalg.norm(axis, axis=1, keepdims=True) * angle[:, None])


@pytest.mark.parametrize("error_deg", [1.0, 5.0, 20.0, 60.0, 120.0])
def test_concentration_and_mean_angle_belong_together(error_deg: float, rng: np.random.Generator) -> None:
    kappa = float(kappa_of_mean_angle(np.radians(error_deg)))
    assert np.degrees(mean_angle_of(kappa)) == pytest.approx(error_deg, rel=1e-6)
    drawn = drawn_errors(kappa, 100_000, rng)
    angle = np.degrees(np.arccos(np.clip((np.trace(drawn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert angle.mean() == pytest.approx(error_deg, rel=0.02)


def test_knowing_nothing_has_no_concentration() -> None:
    assert kappa_of_mean_angle(np.radians([127.0, 180.0])).tolist() == [0, 0]


@pytest.mark.parametrize("error_deg", [2.0, 8.0, 30.0, 90.0, 150.0])
def test_the_probability_of_a_cone_is_the_share_of_draws_in_it(error_deg: float, rng: np.random.Generator) -> None:
    kappa = float(kappa_of_mean_angle(np.radians(error_deg)))
    count = 60_000
    # Errors act on a head that faces some way; which, must not matter.
    head = random_rotations(1, rng)[0]
    facing = facing_direction(drawn_errors(kappa, count, rng) @ head)
    for off_deg in (0.0, 5.0, 17.0, 60.0, 130.0, 180.0):
        for within_deg in (3.0, 15.0, 90.0, 170.0):
            axis = np.cross(facing_direction(head), [0.3, 0.5, -0.8])
            target = rotation_of_vector(axis / np.linalg.norm(axis) * np.radians(off_deg)) @ facing_direction(head)
            share = float(np.mean(angle_between(facing, target[None]) <= np.radians(within_deg)))
            got = float(facing_within(kappa, np.radians(off_deg), np.radians(within_deg)))
            assert got == pytest.approx(share, abs=5 * np.sqrt(0.25 / count) + 1e-4), (off_deg, within_deg)


def test_limits() -> None:
    assert facing_within(0.0, 1.0, np.radians(60)) == pytest.approx((1 - np.cos(np.radians(60))) / 2, abs=1e-5)
    assert facing_within([1e5, 1e5], [0.1, 0.3], 0.2) == pytest.approx([1, 0], abs=1e-6)
    assert facing_within(5.0, [0.0, 1.0, np.pi], np.pi) == pytest.approx([1, 1, 1])
    assert facing_within(50.0, 0.2, np.linspace(0.01, 3.1, 200)) == pytest.approx(
        np.maximum.accumulate(facing_within(50.0, 0.2, np.linspace(0.01, 3.1, 200)))
    )


CAMERA = Camera.from_field_of_view((1000, 600), horizontal_deg=60)


def placed(points: ArrayLike, log_sigma: float) -> HeadPositions:
    points = np.asarray(points, float)
    return HeadPositions(
        points,
        points / np.linalg.norm(points, axis=1, keepdims=True),
        np.full(len(points), log_sigma),
        np.full(len(points), 0.01),
    )


def test_a_point_against_draws_of_place_and_direction(rng: np.random.Generator) -> None:
    head, target, error_deg, log_sigma = np.array([0.4, -0.2, 2.0]), np.array([-0.6, 0.3, 1.2]), 12.0, 0.15
    facing = (target - head) / np.linalg.norm(target - head)
    facing = rotation_of_vector([0.05, 0.15, 0.0]) @ facing
    got = looks_at_point(facing[None], [error_deg], placed(head[None], log_sigma), target, 15.0)
    count = 60_000
    drawn = drawn_errors(float(kappa_of_mean_angle(np.radians(error_deg))), count, rng) @ facing
    sight = target - head * np.exp(rng.normal(0, log_sigma, (count, 1)))
    share = np.mean(angle_between(drawn, sight) <= np.radians(15.0))
    assert got == pytest.approx([share], abs=0.006)


def test_heads_look_at_each_other(rng: np.random.Generator) -> None:
    # A row of three: the first and the last look at the one between, who looks at the first.
    points = np.array([[-0.7, 0, 2.0], [0, 0, 2.2], [0.8, 0, 2.0]])
    facing = points[[1, 0, 1]] - points
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    found = looks_at(facing, [5.0, 5, 5], placed(points, 0.05), placed(points, 0.05))
    assert found.shape == (3, 3)
    assert np.diag(found).tolist() == [0, 0, 0]
    assert found[0, 1] > 0.7 and found[2, 1] > 0.7 and found[1, 0] > 0.7
    assert found[1, 2] < 0.01
    # An unknown distance is what keeps it from being certain.
    count = 100_000
    drawn = drawn_errors(float(kappa_of_mean_angle(np.radians(5.0))), count, rng) @ facing[0]
    sight = points[1] * np.exp(rng.normal(0, 0.05, (count, 1))) - points[0] * np.exp(rng.normal(0, 0.05, (count, 1)))
    assert found[0, 1] == pytest.approx(np.mean(angle_between(drawn, sight) <= np.radians(15.0)), abs=0.01)


def test_who_knows_nothing_looks_at_nothing_in_particular() -> None:
    where = head_positions(np.eye(3)[None], [[450, 250, 550, 350]], CAMERA)
    chance = looks_at_point([[0.0, 0, -1]], [180.0], where, [0, 0, 0], 15.0)
    assert chance == pytest.approx([(1 - np.cos(np.radians(15))) / 2], abs=1e-4)
    assert looks_at_point([[0.0, 0, -1]], [3.0], where, [0, 0, 0]) > 0.99


def test_what_is_no_target_is_refused() -> None:
    where = placed([[0, 0, 2.0]], 0.1)
    with pytest.raises(InputError, match="finite"):
        looks_at_point([[0, 0, -1.0]], [5.0], where, [0, 0, np.nan])
    with pytest.raises(InputError, match=r"expected shape \(3,\)"):
        looks_at_point([[0, 0, -1.0]], [5.0], where, [0, 0])
    with pytest.raises(InputError, match="half angle"):
        looks_at_point([[0, 0, -1.0]], [5.0], where, [0, 0, 0.0], 0)
    empty = placed(np.zeros((0, 3)), 0.1)
    assert looks_at(np.zeros((0, 3)), [], empty, empty).shape == (0, 0)


def test_heads_of_a_picture_know_where_they_are_and_whom_they_look_at() -> None:
    """Three at the edges of a wide picture: each pose is relative to its own ray, as estimates are."""
    box = np.array([[40.0, 250, 140, 350], [450, 250, 550, 350], [860, 250, 960, 350]])
    place = head_positions(np.tile(np.eye(3), (3, 1, 1)), box, CAMERA).point
    frontal = HeadPoses(
        rotation=np.tile(np.eye(3), (3, 1, 1)),
        box=box,
        detection_score=np.ones(3),
        expected_error_deg=np.full(3, 4.0),
        error_90_deg=np.full(3, 7.0),
        entropy=-np.ones(3),
    )
    np.testing.assert_allclose(frontal.position(CAMERA).point, place, atol=0.02)
    assert frontal.position(CAMERA).log_sigma.max() < 0.16
    # Facing the lens, all of them look at it, those at the edges too, and nobody at anybody.
    assert (frontal.looks_at([0, 0, 0], CAMERA) > 0.95).all()
    assert frontal.looks_at(frontal, CAMERA).max() < 0.01
    assert frontal.looks_at(frontal[1], CAMERA).shape == (3, 1)
    # The first turns to the picture's right, by a quarter and half the angle of its ray.
    turned = rotation_of_vector([0, np.radians(80.0), 0])
    assert facing_direction(turned)[0] < 0  # a positive turn about y goes to the left
    aside = HeadPoses(
        rotation=np.stack([turned.T, np.eye(3), turned]),
        box=box,
        detection_score=np.ones(3),
        expected_error_deg=np.full(3, 4.0),
        error_90_deg=np.full(3, 7.0),
        entropy=-np.ones(3),
    )
    found = aside.looks_at(aside, CAMERA)
    assert found[0, 1] > found[1].max() and found[2, 1] > found[1].max()
