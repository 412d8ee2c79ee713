"""Rotations of a head, in the one frame that the whole package speaks.

Camera frame: x right, y down, z into the scene (OpenCV). The head frame is parallel to the camera's for an
upright head that faces the camera. **A pose is `R`, camera←head, (3, 3)**: identity means "faces the camera",
and the facing direction is `f = R·(0, 0, −1)`.

Everything here is numpy, batched over leading axes, in float64 and in radians.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

_MIRROR = np.array([-1.0, 1.0, 1.0])


def rotation_x(angle: ArrayLike) -> Float:
    """Right-handed elementary rotation about x.

    Args:
        angle: (...,) radians.

    Returns:
        (..., 3, 3).
    """
    return _elementary(angle, 1, 2)


def rotation_y(angle: ArrayLike) -> Float:
    """Right-handed elementary rotation about y.

    Args:
        angle: (...,) radians.

    Returns:
        (..., 3, 3).
    """
    return _elementary(angle, 2, 0)


def rotation_z(angle: ArrayLike) -> Float:
    """Right-handed elementary rotation about z.

    Args:
        angle: (...,) radians.

    Returns:
        (..., 3, 3).
    """
    return _elementary(angle, 0, 1)


def _elementary(angle: ArrayLike, first: int, second: int) -> Float:
    angle = np.asarray(angle, dtype=np.float64)
    cos, sin = np.cos(angle), np.sin(angle)
    result = np.zeros((*angle.shape, 3, 3))
    result[..., 3 - first - second, 3 - first - second] = 1.0
    result[..., first, first] = cos
    result[..., second, second] = cos
    result[..., first, second] = -sin
    result[..., second, first] = sin
    return result


def facing_direction(rotation: ArrayLike) -> Float:
    """Unit vector in which the face points.

    Args:
        rotation: (..., 3, 3) camera←head.

    Returns:
        (..., 3) camera frame.
    """
    return -np.asarray(rotation, dtype=np.float64)[..., :, 2]


def from_azimuth_elevation_tilt(azimuth: ArrayLike, elevation: ArrayLike, tilt: ArrayLike) -> Float:
    """Pose from the fold-free angles, `R = Ry(azimuth)·Rx(−elevation)·Rz(tilt)`.

    Args:
        azimuth: (...,) radians, > 0 turns the face to the image left.
        elevation: (...,) radians, > 0 turns the face up.
        tilt: (...,) radians, > 0 leans the head clockwise as the camera sees a head that faces it.

    Returns:
        (..., 3, 3) camera←head.
    """
    azimuth, elevation, tilt = np.broadcast_arrays(
        np.asarray(azimuth, dtype=np.float64), np.asarray(elevation, dtype=np.float64), np.asarray(tilt, np.float64)
    )
    return rotation_y(azimuth) @ rotation_x(-elevation) @ rotation_z(tilt)


def azimuth_elevation_tilt(rotation: ArrayLike) -> Float:
    """Fold-free angles of a pose: the inverse of `from_azimuth_elevation_tilt`.

    Looking straight up or down (|elevation| = π/2) leaves only a combination of azimuth and tilt defined; azimuth is
    then 0 and the tilt takes all of it.

    Args:
        rotation: (..., 3, 3) camera←head.

    Returns:
        (..., 3) radians: azimuth in (−π, π], elevation in [−π/2, π/2], tilt in (−π, π].
    """
    rotation = np.asarray(rotation, dtype=np.float64)
    facing = facing_direction(rotation)
    horizontal = np.hypot(facing[..., 0], facing[..., 2])
    vertical = horizontal < 1e-9
    azimuth = np.where(vertical, 0.0, np.arctan2(-facing[..., 0], -facing[..., 2]))
    elevation = np.arctan2(-facing[..., 1], horizontal)
    upright = from_azimuth_elevation_tilt(azimuth, elevation, np.zeros_like(azimuth))
    # R = upright·Rz(tilt), so the first column of uprightᵀ·R is (cos tilt, sin tilt, 0).
    first = np.einsum("...ji,...j->...i", upright, rotation[..., :, 0])
    tilt = np.arctan2(first[..., 1], first[..., 0])
    return np.stack([_half_open(azimuth), elevation, _half_open(tilt)], axis=-1)


def _half_open(angle: Float) -> Float:
    """(−π, π] rather than [−π, π]: atan2 answers −π for a negative zero."""
    return np.where(angle == -np.pi, np.pi, angle) + 0.0


def circular_difference(first: ArrayLike, second: ArrayLike) -> Float:
    """Signed smallest difference first − second of two angles.

    Args:
        first: radians, any shape.
        second: radians, any shape that broadcasts.

    Returns:
        Radians in [−π, π).
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return (difference + np.pi) % (2.0 * np.pi) - np.pi


def geodesic_distance(first: ArrayLike, second: ArrayLike) -> Float:
    """Angle of the rotation that takes one pose to the other.

    atan2 of sine and cosine rather than acos of the trace, which loses half the digits near 0 and near π: equal inputs
    give exactly 0 and half-turns give π.

    Args:
        first: (..., 3, 3).
        second: (..., 3, 3).

    Returns:
        (...,) radians in [0, π].
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    # ‖R1−R2‖_F = 2√2·sin(θ/2) is exact near 0; cos(θ/2) is the quaternion's w, exact near π.
    sine = np.sqrt(np.sum((first - second) ** 2, axis=(-2, -1)) / 8.0)
    cosine = to_quaternion(np.swapaxes(first, -1, -2) @ second)[..., 3]
    return np.asarray(2.0 * np.arctan2(sine, cosine))


def angle_between(first: ArrayLike, second: ArrayLike) -> Float:
    """Angle between two vectors, exact at 0 and π.

    Args:
        first: (..., 3).
        second: (..., 3).

    Returns:
        (...,) radians in [0, π].
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.arctan2(sine, np.sum(first * second, axis=-1)))


def image_rotation(angle: ArrayLike) -> Float:
    """`Q(θ) = Rz(−θ)`: what an in-plane turn of the image does to a pose, `R → Q(θ)·R`.

    A matrix Fisher parameter moves alike, `A → Q(θ)·A`.

    Args:
        angle: θ, (...,) radians, counter-clockwise as seen.

    Returns:
        (..., 3, 3).
    """
    return rotation_z(-np.asarray(angle, dtype=np.float64))


def mirror(matrix: ArrayLike) -> Float:
    """What a left–right flip of the image does: `R → M·R·M`, `A → M·A·M`, `M = diag(−1, 1, 1)`.

    Args:
        matrix: (..., 3, 3) pose or matrix Fisher parameter, camera←head.

    Returns:
        (..., 3, 3) that of the mirror image.
    """
    return np.asarray(np.asarray(matrix, dtype=np.float64) * (_MIRROR[:, None] * _MIRROR[None, :]))


def project_to_rotation(matrix: ArrayLike) -> Float:
    """Nearest rotation in the Frobenius norm (proper SVD).

    Args:
        matrix: (..., 3, 3) any real matrix.

    Returns:
        (..., 3, 3), determinant +1.
    """
    u, _, vt = np.linalg.svd(np.asarray(matrix, dtype=np.float64))
    u[..., :, 2] *= np.linalg.det(u @ vt)[..., None]
    return np.asarray(u @ vt)


def random_rotations(count: int, rng: np.random.Generator) -> Float:
    """Rotations drawn uniformly (Haar).

    Args:
        count: how many.
        rng: the source of all randomness.

    Returns:
        (count, 3, 3).
    """
    quaternion = rng.standard_normal((count, 4))
    return from_quaternion(quaternion)


def from_quaternion(quaternion: ArrayLike) -> Float:
    """Rotation of a quaternion.

    Args:
        quaternion: (..., 4) x, y, z, w of any non-zero length.

    Returns:
        (..., 3, 3).
    """
    q: Float = np.asarray(quaternion, dtype=np.float64)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def to_quaternion(rotation: ArrayLike) -> Float:
    """Unit quaternion of a rotation; stable for every angle, half-turns included.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 4) x, y, z, w with w ≥ 0.
    """
    r = np.asarray(rotation, dtype=np.float64)
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    # 4·q·qᵀ; its column with the largest diagonal entry is far from cancellation.
    outer = np.empty((*r.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1 + xx - yy - zz
    outer[..., 1, 1] = 1 - xx + yy - zz
    outer[..., 2, 2] = 1 - xx - yy + zz
    outer[..., 3, 3] = 1 + xx + yy + zz
    for i, j, value in (
        (0, 1, r[..., 0, 1] + r[..., 1, 0]),
        (0, 2, r[..., 0, 2] + r[..., 2, 0]),
        (1, 2, r[..., 1, 2] + r[..., 2, 1]),
        (0, 3, r[..., 2, 1] - r[..., 1, 2]),
        (1, 3, r[..., 0, 2] - r[..., 2, 0]),
        (2, 3, r[..., 1, 0] - r[..., 0, 1]),
    ):
        outer[..., i, j] = outer[..., j, i] = value
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    column = np.take_along_axis(outer, best[..., None, None], axis=-1)[..., 0]
    column = column / np.linalg.norm(column, axis=-1, keepdims=True)
    return np.asarray(np.where(column[..., 3:] < 0, -column, column))


def rotation_vector(rotation: ArrayLike) -> Float:
    """Axis times angle of a rotation.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 3) radians, length in [0, π]; at π either axis may come.
    """
    quaternion = to_quaternion(rotation)
    sine = np.linalg.norm(quaternion[..., :3], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternion[..., 3:])
    return np.asarray(quaternion[..., :3] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0))


def rotation_of_vector(vector: ArrayLike) -> Float:
    """Inverse of `rotation_vector`: the rotation about a vector by its length.

    Args:
        vector: (..., 3) radians.

    Returns:
        (..., 3, 3).
    """
    v: Float = np.asarray(vector, dtype=np.float64)
    half = np.linalg.norm(v, axis=-1, keepdims=True) / 2
    return from_quaternion(np.concatenate([v / 2 * np.sinc(half / np.pi), np.cos(half)], axis=-1))
