"""rotation.py against scipy and roma, and against the laws that the rest of the package relies on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from semiuhpe.geometry import rotation as rot

Float = NDArray[np.float64]

angles = st.floats(-math.pi, math.pi)
coordinates = st.floats(-1, 1)


@st.composite
def rotations(draw: st.DrawFn) -> Float:
    """Any rotation, those of special angles (half-turns, quarter-turns) far more often than by chance."""
    if draw(st.booleans()):
        triple = [draw(st.sampled_from([-180, -90, -45, 0, 30, 90, 135, 180])) for _ in range(3)]
        return Rotation.from_euler("ZYX", triple, degrees=True).as_matrix()
    quaternion = np.array([draw(coordinates) for _ in range(4)])
    assume(np.linalg.norm(quaternion) > 0.1)
    return Rotation.from_quat(quaternion).as_matrix()


@given(angles)
def test_elementary_rotations_are_right_handed(angle: float) -> None:
    for axis, function in zip("xyz", (rot.rotation_x, rot.rotation_y, rot.rotation_z), strict=True):
        np.testing.assert_allclose(function(angle), Rotation.from_euler(axis, angle).as_matrix(), atol=1e-15)


def test_elementary_rotations_are_batched() -> None:
    assert rot.rotation_x(np.zeros((2, 5))).shape == (2, 5, 3, 3)
    assert rot.from_azimuth_elevation_tilt(np.zeros((4, 1)), 0.1, np.zeros(3)).shape == (4, 3, 3, 3)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "tilt", "facing", "crown"),
    [
        (0, 0, 0, (0, 0, -1), (0, -1, 0)),
        (90, 0, 0, (-1, 0, 0), (0, -1, 0)),  # turned to the image left
        (-90, 0, 0, (1, 0, 0), (0, -1, 0)),
        (180, 0, 0, (0, 0, 1), (0, -1, 0)),  # seen from behind
        (0, 90, 0, (0, -1, 0), (0, 0, 1)),  # looking up: the crown tips away from the camera
        (0, 0, 90, (0, 0, -1), (1, 0, 0)),  # leaning clockwise: the crown moves to the image right
        (90, 0, 90, (-1, 0, 0), (0, 0, -1)),  # the same lean about its own line of sight, seen from the side
    ],
)
def test_signs_by_hand(
    azimuth: float, elevation: float, tilt: float, facing: tuple[float, ...], crown: tuple[float, ...]
) -> None:
    rotation = rot.from_azimuth_elevation_tilt(*np.deg2rad([azimuth, elevation, tilt]))
    np.testing.assert_allclose(rot.facing_direction(rotation), facing, atol=1e-15)
    np.testing.assert_allclose(rotation @ [0, -1, 0], crown, atol=1e-15)


@given(rotations())
def test_azimuth_elevation_tilt_round_trip(rotation: Float) -> None:
    triple = rot.azimuth_elevation_tilt(rotation)
    np.testing.assert_allclose(rot.from_azimuth_elevation_tilt(*triple), rotation, atol=3e-9)
    assert -math.pi < triple[0] <= math.pi
    assert abs(triple[1]) <= math.pi / 2
    assert -math.pi < triple[2] <= math.pi


@given(
    azimuth=st.floats(-math.pi + 1e-9, math.pi),
    elevation=st.floats(-math.pi / 2 + 1e-4, math.pi / 2 - 1e-4),
    tilt=st.floats(-math.pi + 1e-9, math.pi),
)
def test_angles_round_trip_over_the_full_range(azimuth: float, elevation: float, tilt: float) -> None:
    back = rot.azimuth_elevation_tilt(rot.from_azimuth_elevation_tilt(azimuth, elevation, tilt))
    np.testing.assert_allclose(rot.circular_difference(back, [azimuth, elevation, tilt]), 0, atol=1e-10)


@given(st.floats(-10, 0), angles, angles, st.sampled_from([-1.0, 1.0]))
def test_gimbal_band_still_gives_the_pose_back(exponent: float, azimuth: float, tilt: float, sign: float) -> None:
    elevation = sign * (math.pi / 2 - 10**exponent * 1e-3)
    rotation = rot.from_azimuth_elevation_tilt(azimuth, elevation, tilt)
    triple = rot.azimuth_elevation_tilt(rotation)
    assert np.isfinite(triple).all()
    np.testing.assert_allclose(rot.from_azimuth_elevation_tilt(*triple), rotation, atol=3e-9)


@pytest.mark.parametrize("sign", [-1, 1])
def test_at_the_lock_the_azimuth_is_zero(sign: int) -> None:
    triple = rot.azimuth_elevation_tilt(rot.from_azimuth_elevation_tilt(0.7, sign * math.pi / 2, 0.4))
    assert triple[0] == 0
    assert triple[1] == pytest.approx(sign * math.pi / 2)


@given(rotations())
def test_quaternions_equal_scipy_and_roma(rotation: Float) -> None:
    quaternion = rot.to_quaternion(rotation)
    reference = Rotation.from_matrix(rotation).as_quat()
    assert abs(quaternion @ reference) == pytest.approx(1.0, abs=1e-14)
    assert abs(quaternion @ roma.rotmat_to_unitquat(torch.from_numpy(rotation)).numpy()) == pytest.approx(1, abs=1e-14)
    assert quaternion[3] >= 0
    np.testing.assert_allclose(rot.from_quaternion(quaternion), rotation, atol=1e-14)
    np.testing.assert_allclose(rot.from_quaternion(-3.0 * quaternion), rotation, atol=1e-14)


@given(rotations(), rotations())
def test_geodesic_distance_equals_scipy_and_roma(first: Float, second: Float) -> None:
    distance = rot.geodesic_distance(first, second)
    scipys = (Rotation.from_matrix(first).inv() * Rotation.from_matrix(second)).magnitude()
    assert distance == pytest.approx(scipys, abs=1e-7)
    romas = roma.rotmat_geodesic_distance(torch.from_numpy(first), torch.from_numpy(second)).item()
    assert distance == pytest.approx(romas, abs=1e-7)
    assert 0 <= distance <= math.pi
    assert distance == pytest.approx(float(rot.geodesic_distance(second, first)), abs=1e-12)


@given(rotations())
def test_geodesic_distance_to_itself_is_exactly_zero(rotation: Float) -> None:
    assert rot.geodesic_distance(rotation, rotation) == 0.0


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_geodesic_distance_of_a_half_turn_is_exactly_pi(axis: tuple[int, int, int]) -> None:
    half_turn = 2.0 * np.outer(axis, axis) - np.eye(3)
    assert rot.geodesic_distance(np.eye(3), half_turn) == math.pi
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert rot.geodesic_distance(quarter, quarter @ half_turn) == math.pi


@settings(max_examples=60)
@given(rotations(), coordinates, coordinates, coordinates, st.floats(-15, 0))
def test_geodesic_distance_keeps_its_digits_near_0_and_pi(
    rotation: Float, x: float, y: float, z: float, exponent: float
) -> None:
    assume(math.hypot(x, y, z) > 0.1)
    axis = np.array([x, y, z]) / math.hypot(x, y, z)
    small = 10**exponent
    for angle in (small, math.pi - small):
        turned = rotation @ Rotation.from_rotvec(angle * axis).as_matrix()
        assert rot.geodesic_distance(rotation, turned) == pytest.approx(angle, abs=4e-15 if angle < 1e-3 else 1e-14)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_circular_difference(first: float, second: float) -> None:
    difference = rot.circular_difference(first, second)
    assert -math.pi <= difference < math.pi
    assert math.cos(difference) == pytest.approx(math.cos(first - second), abs=1e-12)
    assert math.sin(difference) == pytest.approx(math.sin(first - second), abs=1e-12)


def test_circular_difference_does_not_forgive_half_turns() -> None:
    assert abs(rot.circular_difference(math.pi, 0.0)) == math.pi
    assert rot.circular_difference(np.deg2rad(-179), np.deg2rad(179)) == pytest.approx(np.deg2rad(2))


def test_angle_between_is_exact_at_both_ends() -> None:
    vector = np.array([1.0, 2.0, -3.0])
    assert rot.angle_between(vector, 5 * vector) == 0
    assert rot.angle_between(vector, -vector) == math.pi
    assert rot.angle_between([1.0, 0, 0], [1.0, 1e-12, 0]) == pytest.approx(1e-12, rel=1e-9)


@given(rotations(), angles)
def test_in_plane_law(rotation: Float, angle: float) -> None:
    """Q(θ) carries what is drawn at (x, y) counter-clockwise as seen, and leaves depth alone."""
    turn = rot.image_rotation(angle)
    facing, turned = rot.facing_direction(rotation), rot.facing_direction(turn @ rotation)
    complex_before, complex_after = complex(facing[0], -facing[1]), complex(turned[0], -turned[1])  # y up
    assert abs(complex_after - complex_before * np.exp(1j * angle)) < 1e-12
    assert turned[2] == pytest.approx(facing[2])
    assert rot.geodesic_distance(turn @ rotation, rotation) == pytest.approx(abs(angle), abs=1e-9)


@given(rotations())
def test_mirror_law(rotation: Float) -> None:
    mirrored = rot.mirror(rotation)
    assert np.linalg.det(mirrored) == pytest.approx(1)
    np.testing.assert_allclose(rot.mirror(mirrored), rotation, atol=0)
    np.testing.assert_allclose(rot.facing_direction(mirrored), rot.facing_direction(rotation) * [-1, 1, 1], atol=0)
    azimuth, elevation, tilt = rot.azimuth_elevation_tilt(rotation)
    if abs(elevation) < math.pi / 2 - 1e-6:
        expected = np.array([-azimuth, elevation, -tilt])
        difference = rot.circular_difference(rot.azimuth_elevation_tilt(mirrored), expected)
        np.testing.assert_allclose(difference, 0, atol=1e-9)


@given(rotations(), angles)
def test_a_turn_before_a_flip_is_the_opposite_turn_after_it(rotation: Float, angle: float) -> None:
    first = rot.mirror(rot.image_rotation(angle) @ rotation)
    np.testing.assert_allclose(first, rot.image_rotation(-angle) @ rot.mirror(rotation), atol=1e-14)


def test_projection_is_the_nearest_rotation(rng: np.random.Generator) -> None:
    noisy = rng.standard_normal((200, 3, 3))
    projected = rot.project_to_rotation(noisy)
    np.testing.assert_allclose(np.linalg.det(projected), 1)
    np.testing.assert_allclose(projected, roma.special_procrustes(torch.from_numpy(noisy)).numpy(), atol=1e-9)
    rotation = rot.random_rotations(50, rng)
    np.testing.assert_allclose(rot.project_to_rotation(rotation), rotation, atol=1e-14)
    np.testing.assert_allclose(rot.project_to_rotation(7.0 * rotation), rotation, atol=1e-14)


def test_random_rotations_are_uniform(rng: np.random.Generator) -> None:
    drawn = rot.random_rotations(20_000, rng)
    np.testing.assert_allclose(drawn @ np.swapaxes(drawn, 1, 2), np.broadcast_to(np.eye(3), drawn.shape), atol=1e-12)
    assert np.abs(drawn.mean(0)).max() < 5 / math.sqrt(3 * 20_000)
    mean_angle = rot.geodesic_distance(np.eye(3), drawn).mean()
    assert mean_angle == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.03)
