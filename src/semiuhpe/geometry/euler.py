"""Euler angles and rotation matrices by name: what other projects' numbers mean in this package's frame.

A triple of Euler angles means nothing without its definition, and published ones differ in signs, axes and range.
Inside the package a pose is only ever the matrix `R`, camera←head (see `rotation.py`); this module translates, both
ways, between `R` and the conventions that other data sets and tools use. `F = diag(1, −1, −1)` below turns
y-down/z-into-the-scene axes into y-up/z-towards-the-viewer ones. All triples are ordered **pitch, yaw, roll**.

| name          | matrix `M` of that project | triple                               | positive pitch, yaw, roll       |
|---------------|----------------------------|--------------------------------------|---------------------------------|
| `300w-lp`     | `R = F·Mᵀ·F`               | `R = Rx(−pitch)·Ry(yaw)·Rz(roll)`    | up, image left, clockwise       |
| `dad-3dheads` | `R = M·F`                  | as `300w-lp`                         | up, image left, clockwise       |
| `biwi`        | `R = M`                    | as `300w-lp`                         | up, image left, clockwise       |
| `whenet`      | as `300w-lp`               | as `300w-lp`, yaw over 360°          | up, image left, clockwise       |
| `openface`    | `R = M`                    | `M = Rx(pitch)·Ry(yaw)·Rz(roll)`     | down, image left, clockwise     |
| `mediapipe`   | `R = F·M·F`                | `M = Rx(pitch)·Ry(yaw)·Rz(roll)`     | down, image right, anticlockwise |

(Directions as the camera sees them, for one angle at a time; "clockwise" is a lean towards the image right.)

- **300w-lp**: 300W-LP and AFLW2000 `Pose_Para`, Hopenet, 6DRepNet: `M = Rz(roll)·Ry(yaw)·Rx(pitch)`.
- **dad-3dheads**: rotation part of `diag(1, −1, −1, 1)·model_view`; a frontal head is `F`. Its angles are the
  extrinsic-xyz angles of `Mᵀ` with 180° taken off the first, which is the 300W-LP triple.
- **biwi**: the 3×3 of a Kinect ground-truth file, camera x right, y down, z into the scene; the angles are those with
  which Hopenet and its successors are tested on it, again the 300W-LP triple.
- **whenet**: yaw over the full circle. Of the two triples of a pose, the one with the smaller |pitch| + |roll|.
- **openface**: `pose_Rx, pose_Ry, pose_Rz` (radians there), `R = Rx·Ry·Rz`, camera z into the scene. OpenFace measures
  in a camera frame too, so no offset is applied.
- **mediapipe**: the facial transformation matrix of the Face Landmarker, in a right-handed y-up camera that looks along
  −z. MediaPipe names no angles; `Rx·Ry·Rz` (three.js' default `XYZ`) is what its examples decompose it with.

Range: every convention but `whenet` has yaw in [−90°, 90°] and pitch and roll in (−180°, 180°], so a head seen from
behind *folds*: azimuth 135° comes out as yaw 45° with pitch and roll near 180°. The triple still names the pose
exactly, but its yaw is not the azimuth; use `rotation.azimuth_elevation_tilt` or `whenet` for that.

Gimbal lock: within 1e−6 rad of yaw = ±90° only a combination of pitch and roll is defined; roll is then 0 and pitch
takes all of it. The triple still gives the pose back (to 1e−6 rad inside the band, to rounding outside of it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.errors import ConventionError
from semiuhpe.geometry.rotation import rotation_x, rotation_y, rotation_z

Float = NDArray[np.float64]

_GIMBAL_COSINE = 1e-6
_Y_UP = np.array([1.0, -1.0, -1.0])
_SAME = np.ones(3)


@dataclass(frozen=True, eq=False)
class _Convention:
    """`R = diag(left)·M·diag(right)` with M the project's matrix or its transpose; `R = Rx(±p)·Ry(±y)·Rz(±r)`."""

    left: Float
    transposed: bool
    right: Float
    signs: Float
    full_yaw: bool = False


_300W_LP_SIGNS = np.array([-1.0, 1.0, 1.0])

_TABLE = {
    "300w-lp": _Convention(_Y_UP, True, _Y_UP, _300W_LP_SIGNS),
    "dad-3dheads": _Convention(_SAME, False, _Y_UP, _300W_LP_SIGNS),
    "biwi": _Convention(_SAME, False, _SAME, _300W_LP_SIGNS),
    "whenet": _Convention(_Y_UP, True, _Y_UP, _300W_LP_SIGNS, full_yaw=True),
    "openface": _Convention(_SAME, False, _SAME, np.array([1.0, 1.0, 1.0])),
    "mediapipe": _Convention(_Y_UP, False, _Y_UP, np.array([1.0, -1.0, -1.0])),
}

CONVENTIONS: tuple[str, ...] = tuple(_TABLE)
"""Names that every function of this module accepts."""


def euler(rotation: ArrayLike, convention: str) -> Float:
    """Euler angles of a pose, by named convention (see the module's table).

    Args:
        rotation: (..., 3, 3) camera←head.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3) radians: pitch, yaw, roll.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    definition = _definition(convention)
    angles = _rx_ry_rz(_as_matrix(rotation)) * definition.signs
    if definition.full_yaw:
        pitch, yaw, roll = np.moveaxis(angles, -1, 0)
        other = np.stack([pitch + np.pi, np.pi - yaw, roll + np.pi], axis=-1)
        angles = np.where((np.abs(pitch) + np.abs(roll) > np.pi)[..., None], other, angles)
    return _wrap(angles)


def from_euler(angles: ArrayLike, convention: str) -> Float:
    """Pose of Euler angles, by named convention; any real angles, folded or not.

    Args:
        angles: (..., 3) radians: pitch, yaw, roll.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3, 3) camera←head.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    definition = _definition(convention)
    angles = np.asarray(angles, dtype=np.float64)
    if angles.shape[-1:] != (3,):
        raise ValueError(f"angles must be (..., 3): pitch, yaw, roll; got shape {angles.shape}")
    x, y, z = np.moveaxis(angles * definition.signs, -1, 0)
    return np.asarray(rotation_x(x) @ rotation_y(y) @ rotation_z(z))


def euler_deg(rotation: ArrayLike, convention: str) -> Float:
    """`euler` in degrees.

    Args:
        rotation: (..., 3, 3) camera←head.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3) degrees: pitch, yaw, roll.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    return np.asarray(np.rad2deg(euler(rotation, convention)))


def from_euler_deg(angles_deg: ArrayLike, convention: str) -> Float:
    """`from_euler` in degrees.

    Args:
        angles_deg: (..., 3) degrees: pitch, yaw, roll.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3, 3) camera←head.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    return from_euler(np.deg2rad(np.asarray(angles_deg, dtype=np.float64)), convention)


def to_matrix(rotation: ArrayLike, convention: str) -> Float:
    """The matrix with which another project states a pose (see the module's table).

    Args:
        rotation: (..., 3, 3) camera←head.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3, 3) in that project's own axes.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    definition = _definition(convention)
    # Both diagonals are their own inverses.
    matrix = _as_matrix(rotation) * (definition.left[:, None] * definition.right[None, :])
    return np.array(np.swapaxes(matrix, -1, -2)) if definition.transposed else matrix


def from_matrix(matrix: ArrayLike, convention: str) -> Float:
    """The pose that another project's matrix states: the inverse of `to_matrix`.

    Args:
        matrix: (..., 3, 3) in that project's own axes.
        convention: one of `CONVENTIONS`.

    Returns:
        (..., 3, 3) camera←head.

    Raises:
        ConventionError: an unknown name.
        ValueError: another shape.
    """
    definition = _definition(convention)
    matrix = _as_matrix(matrix)
    matrix = np.swapaxes(matrix, -1, -2) if definition.transposed else matrix
    return matrix * (definition.left[:, None] * definition.right[None, :])


def _definition(convention: str) -> _Convention:
    try:
        return _TABLE[convention]
    except (KeyError, TypeError):
        raise ConventionError(convention, CONVENTIONS) from None


def _as_matrix(rotation: ArrayLike) -> Float:
    rotation = np.asarray(rotation, dtype=np.float64)
    if rotation.shape[-2:] != (3, 3):
        raise ValueError(f"a rotation must be (..., 3, 3), got shape {rotation.shape}")
    return rotation


def _rx_ry_rz(rotation: Float) -> Float:
    """Angles with R = Rx(x)·Ry(y)·Rz(z), y in [−π/2, π/2]. (..., 3, 3) → (..., 3) radians."""
    cosine_y = np.hypot(rotation[..., 1, 2], rotation[..., 2, 2])
    y = np.arctan2(rotation[..., 0, 2], cosine_y)
    x = np.where(
        cosine_y < _GIMBAL_COSINE,
        np.arctan2(rotation[..., 2, 1], rotation[..., 1, 1]),
        np.arctan2(-rotation[..., 1, 2], rotation[..., 2, 2]),
    )
    # Rx(−x)·R = Ry(y)·Rz(z) has the second row (sin z, cos z, 0): z makes up for whatever x was lost near the lock.
    second = np.cos(x)[..., None] * rotation[..., 1, :] + np.sin(x)[..., None] * rotation[..., 2, :]
    z = np.where(cosine_y < _GIMBAL_COSINE, 0.0, np.arctan2(second[..., 0], second[..., 1]))
    return np.stack([x, y, z], axis=-1)


def _wrap(angle: Float) -> Float:
    """To (−π, π]; −0 becomes 0."""
    wrapped = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    return np.where(wrapped <= -np.pi, wrapped + 2 * np.pi, wrapped) + 0.0
