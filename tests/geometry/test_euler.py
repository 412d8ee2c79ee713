"""Every named convention: against poses worked out by hand, against scipy, and there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from semiuhpe.errors import ConventionError, SemiUHPEError
from semiuhpe.geometry import euler, rotation

Float = NDArray[np.float64]

F = np.diag([1.0, -1.0, -1.0])
LIKE_300W_LP = ("300w-lp", "dad-3dheads", "biwi")
angles = st.floats(-math.pi + 1e-9, math.pi)

# (azimuth, elevation, tilt) → pitch, yaw, roll by convention, degrees. A head seen from behind folds wherever yaw
# stays within ±90: 135° is 45° turned over (pitch and roll both a half-turn).
POSES = {
    (0, 0, 0): {"300w-lp": (0, 0, 0), "whenet": (0, 0, 0), "openface": (0, 0, 0), "mediapipe": (0, 0, 0)},
    (45, 0, 0): {"300w-lp": (0, 45, 0), "whenet": (0, 45, 0), "openface": (0, 45, 0), "mediapipe": (0, -45, 0)},
    (-45, 0, 0): {"300w-lp": (0, -45, 0), "whenet": (0, -45, 0), "openface": (0, -45, 0), "mediapipe": (0, 45, 0)},
    (90, 0, 0): {"300w-lp": (0, 90, 0), "whenet": (0, 90, 0), "openface": (0, 90, 0), "mediapipe": (0, -90, 0)},
    (-90, 0, 0): {"300w-lp": (0, -90, 0), "whenet": (0, -90, 0), "openface": (0, -90, 0), "mediapipe": (0, 90, 0)},
    (135, 0, 0): {
        "300w-lp": (180, 45, 180),
        "whenet": (0, 135, 0),
        "openface": (180, 45, 180),
        "mediapipe": (180, -45, 180),
    },
    (180, 0, 0): {
        "300w-lp": (180, 0, 180),
        "whenet": (0, 180, 0),
        "openface": (180, 0, 180),
        "mediapipe": (180, 0, 180),
    },
    (0, 30, 0): {"300w-lp": (30, 0, 0), "whenet": (30, 0, 0), "openface": (-30, 0, 0), "mediapipe": (-30, 0, 0)},
    (0, -30, 0): {"300w-lp": (-30, 0, 0), "whenet": (-30, 0, 0), "openface": (30, 0, 0), "mediapipe": (30, 0, 0)},
    (0, 0, 30): {"300w-lp": (0, 0, 30), "whenet": (0, 0, 30), "openface": (0, 0, 30), "mediapipe": (0, 0, -30)},
    (0, 0, -30): {"300w-lp": (0, 0, -30), "whenet": (0, 0, -30), "openface": (0, 0, -30), "mediapipe": (0, 0, 30)},
}


def table() -> list[tuple[str, tuple[int, int, int], tuple[int, int, int]]]:
    rows = []
    for pose, by_convention in POSES.items():
        for name in euler.CONVENTIONS:
            rows.append((name, pose, by_convention["300w-lp" if name in LIKE_300W_LP else name]))
    return rows


@pytest.mark.parametrize(("convention", "pose", "expected"), table())
def test_known_poses(convention: str, pose: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    matrix = rotation.from_azimuth_elevation_tilt(*np.deg2rad(pose))
    np.testing.assert_allclose(euler.from_euler_deg(expected, convention), matrix, atol=1e-12)
    difference = rotation.circular_difference(np.deg2rad(euler.euler_deg(matrix, convention)), np.deg2rad(expected))
    np.testing.assert_allclose(difference, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("convention", "identity"),
    [
        ("300w-lp", np.eye(3)),
        ("dad-3dheads", F),
        ("biwi", np.eye(3)),
        ("openface", np.eye(3)),
        ("mediapipe", np.eye(3)),
    ],
)
def test_matrix_of_a_head_that_faces_the_camera(convention: str, identity: Float) -> None:
    np.testing.assert_array_equal(euler.to_matrix(np.eye(3), convention), identity)


def test_matrices_of_a_head_turned_to_the_image_left_by_hand() -> None:
    """Yaw 90: the nose (head −z here) points along camera −x."""
    pose = rotation.from_azimuth_elevation_tilt(math.pi / 2, 0, 0)
    # 6DRepNet's R6 = Ry(90°) takes its z (out of the face, transposed convention) to x.
    np.testing.assert_allclose(euler.to_matrix(pose, "300w-lp"), [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], atol=1e-15)
    # DAD: head z comes out of the face, y is up; columns are those axes in the camera frame.
    np.testing.assert_allclose(euler.to_matrix(pose, "dad-3dheads")[:, 2], [-1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(euler.to_matrix(pose, "dad-3dheads")[:, 1], [0, -1, 0], atol=1e-15)
    # MediaPipe: the same axes in a y-up camera.
    np.testing.assert_allclose(euler.to_matrix(pose, "mediapipe")[:, 2], [-1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(euler.to_matrix(pose, "mediapipe")[:, 1], [0, 1, 0], atol=1e-15)


@given(angles, angles, angles)
def test_against_scipy_as_each_project_defines_it(pitch: float, yaw: float, roll: float) -> None:
    six_d = Rotation.from_euler("xyz", [pitch, yaw, roll]).as_matrix()  # extrinsic: Rz(roll)·Ry(yaw)·Rx(pitch)
    pose = euler.from_euler([pitch, yaw, roll], "300w-lp")
    np.testing.assert_allclose(pose, F @ six_d.T @ F, atol=1e-14)
    np.testing.assert_allclose(euler.to_matrix(pose, "300w-lp"), six_d, atol=1e-14)
    dad = euler.to_matrix(pose, "dad-3dheads")
    np.testing.assert_allclose(dad, F @ six_d.T, atol=1e-14)
    # BIWI as Hopenet reads it: the transposed file's z-y-x angles, yaw and roll negated.
    biwi = euler.to_matrix(euler.from_euler([pitch, yaw, roll], "biwi"), "biwi")
    np.testing.assert_allclose(biwi.T, Rotation.from_euler("xyz", [pitch, -yaw, -roll]).as_matrix(), atol=1e-14)
    intrinsic = Rotation.from_euler("XYZ", [pitch, yaw, roll]).as_matrix()  # Rx·Ry·Rz
    for name in ("openface", "mediapipe"):
        pose = euler.from_euler([pitch, yaw, roll], name)
        np.testing.assert_allclose(euler.to_matrix(pose, name), intrinsic, atol=1e-14)


@given(angles, st.floats(-1.5, 1.5), angles)
def test_dad_angles_are_the_extrinsic_ones_of_the_transpose_less_half_a_turn(
    pitch: float, yaw: float, roll: float
) -> None:
    dad = euler.to_matrix(euler.from_euler([pitch, yaw, roll], "dad-3dheads"), "dad-3dheads")
    scipys = Rotation.from_matrix(dad.T).as_euler("xyz") - [math.pi, 0, 0]
    np.testing.assert_allclose(rotation.circular_difference(scipys, [pitch, yaw, roll]), 0, atol=1e-9)


@given(st.sampled_from(euler.CONVENTIONS), angles, angles, angles)
def test_round_trips(convention: str, pitch: float, yaw: float, roll: float) -> None:
    pose = euler.from_euler([pitch, yaw, roll], convention)
    triple = euler.euler(pose, convention)
    assert rotation.geodesic_distance(euler.from_euler(triple, convention), pose) < 2e-6
    assert (np.abs(triple) <= math.pi).all()
    assert convention == "whenet" or abs(triple[1]) <= math.pi / 2
    np.testing.assert_allclose(euler.from_matrix(euler.to_matrix(pose, convention), convention), pose, atol=0)


@given(st.sampled_from((*LIKE_300W_LP, "openface", "mediapipe")), angles, st.floats(-1.57, 1.57), angles)
def test_angles_round_trip_away_from_the_lock(convention: str, pitch: float, yaw: float, roll: float) -> None:
    back = euler.euler(euler.from_euler([pitch, yaw, roll], convention), convention)
    np.testing.assert_allclose(rotation.circular_difference(back, [pitch, yaw, roll]), 0, atol=1e-9)


@given(st.floats(-1.57, 1.57), angles, st.floats(-1.57, 1.57))
def test_whenet_keeps_yaw_over_the_full_circle(pitch: float, yaw: float, roll: float) -> None:
    """Up to |pitch| + |roll| = 180° the angles that went in come out."""
    if abs(pitch) + abs(roll) > math.pi - 1e-6 or abs(abs(yaw) - math.pi / 2) < 1e-5:
        return
    back = euler.euler(euler.from_euler([pitch, yaw, roll], "whenet"), "whenet")
    np.testing.assert_allclose(rotation.circular_difference(back, [pitch, yaw, roll]), 0, atol=1e-9)


@given(st.sampled_from(euler.CONVENTIONS), angles, st.sampled_from([-1.0, 1.0]), st.floats(-12, -2), angles)
def test_gimbal_band(convention: str, pitch: float, sign: float, exponent: float, roll: float) -> None:
    pose = euler.from_euler([pitch, sign * (math.pi / 2 - 10**exponent), roll], convention)
    triple = euler.euler(pose, convention)
    inside = exponent < -6.01
    error = rotation.geodesic_distance(euler.from_euler(triple, convention), pose)
    assert error <= (1.5e-6 if inside else 1e-11 if exponent > -5.99 else 1.5e-6)
    if inside:
        assert triple[2] == 0
        assert abs(triple[1]) == pytest.approx(math.pi / 2, abs=1e-6)


@given(st.sampled_from((*LIKE_300W_LP, "whenet")), angles, st.floats(-1.5, 1.5), angles)
def test_mirror_negates_yaw_and_roll(convention: str, pitch: float, yaw: float, roll: float) -> None:
    mirrored = rotation.mirror(euler.from_euler([pitch, yaw, roll], convention))
    np.testing.assert_allclose(mirrored, euler.from_euler([pitch, -yaw, -roll], convention), atol=1e-14)


def test_turning_the_picture_is_not_subtracting_roll() -> None:
    """The worked case: (20, 50, 10) turned by 20° counter-clockwise is (−5.2, 52.7, −22.0), not roll −10."""
    pose = euler.from_euler_deg([20, 50, 10], "300w-lp")
    turned = rotation.image_rotation(np.deg2rad(20)) @ pose
    np.testing.assert_allclose(euler.euler_deg(turned, "300w-lp"), [-5.2, 52.7, -22.0], atol=0.05)


def test_batches_and_degrees(rng: np.random.Generator) -> None:
    poses = rotation.random_rotations(12, rng).reshape(3, 4, 3, 3)
    for name in euler.CONVENTIONS:
        assert euler.euler(poses, name).shape == (3, 4, 3)
        assert euler.from_euler(euler.euler(poses, name), name).shape == (3, 4, 3, 3)
        np.testing.assert_allclose(np.deg2rad(euler.euler_deg(poses, name)), euler.euler(poses, name))
        assert euler.euler_deg(poses[:0], name).shape == (0, 4, 3)


def test_errors_name_the_remedy() -> None:
    for call in (
        lambda: euler.euler(np.eye(3), "hopenet"),
        lambda: euler.from_euler_deg([0, 0, 0], "hopenet"),
        lambda: euler.to_matrix(np.eye(3), "hopenet"),
        lambda: euler.from_matrix(np.eye(3), "hopenet"),
    ):
        with pytest.raises(ConventionError, match=r"'hopenet'; choose one of: 300w-lp, dad-3dheads, biwi, whenet") as e:
            call()
        assert isinstance(e.value, SemiUHPEError)
        assert isinstance(e.value, ValueError)
    with pytest.raises(ValueError, match=r"got shape \(4,\)"):
        euler.from_euler([0, 0, 0, 1], "biwi")
    with pytest.raises(ValueError, match=r"got shape \(9,\)"):
        euler.euler(np.zeros(9), "biwi")
