"""The rotation that a row of a listing states: Euler angles of a named convention, nine numbers, or a quaternion."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from semiuhpe.errors import Rejected, SourceError
from semiuhpe.geometry.euler import CONVENTIONS, from_euler_deg
from semiuhpe.geometry.rotation import Float, from_quaternion, project_to_rotation

EULER = ("pitch_deg", "yaw_deg", "roll_deg")
ENTRIES = tuple(f"r{row}{column}" for row in range(3) for column in range(3))
QUATERNION = ("qx", "qy", "qz", "qw")
COLUMNS = frozenset((*EULER, *ENTRIES, *QUATERNION, "rotation", "quaternion", "quaternion_xyzw"))

_TOLERANCE = 0.02
"""How far a matrix that was written with few digits may be from the rotation that it becomes."""


def check_convention(columns: Collection[str], convention: str, where: str) -> None:
    """Raise SourceError for an unknown convention, and where angles would be read without one."""
    if convention and convention not in CONVENTIONS:
        raise SourceError(f"unknown convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
    if not convention and set(EULER) <= set(columns):
        raise SourceError(
            f"{where}: {', '.join(EULER)} mean nothing without a convention; add --convention {'|'.join(CONVENTIONS)}"
        )


def rotation_of(row: Mapping[str, Any], convention: str) -> Float | None:
    """The pose of a row, (3, 3) float64 camera←head, or None where it states none.

    `rotation` (nine numbers by rows, nested or not, or text) or r00 … r22, and `quaternion` / `quaternion_xyzw` or
    qx, qy, qz, qw, are in the canonical frame; pitch_deg, yaw_deg, roll_deg are of `convention`. Raises Rejected for
    what is no rotation.
    """
    for single, columns in (("rotation", ENTRIES), ("quaternion", QUATERNION), ("quaternion_xyzw", QUATERNION)):
        stated = _numbers(row, single, columns)
        if stated is not None:
            return _rotation(row, stated, len(columns))
    angles = _numbers(row, "", EULER)
    return from_euler_deg(angles, convention) if angles is not None else None


def _numbers(row: Mapping[str, Any], single: str, columns: tuple[str, ...]) -> Float | None:
    value = row.get(single)
    given = [row.get(column) for column in columns]
    if value in (None, "", []) and all(v in (None, "") for v in given):
        return None
    try:
        if value in (None, "", []):
            value = given
        elif isinstance(value, str):
            value = re.findall(r"[^\s,;\[\]]+", value)
        numbers = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise Rejected("rotation", f"{row.get('file')}: {single or ', '.join(columns)} must be numbers") from error
    if len(numbers) != len(columns) or not np.all(np.isfinite(numbers)):
        raise Rejected("rotation", f"{row.get('file')}: {len(columns)} finite numbers expected, got {value}")
    return numbers


def _rotation(row: Mapping[str, Any], numbers: Float, count: int) -> Float:
    if count == 4:
        if np.linalg.norm(numbers) < 1e-9:
            raise Rejected("rotation", f"{row.get('file')}: the quaternion is zero")
        return from_quaternion(numbers)
    matrix = numbers.reshape(3, 3)
    nearest = project_to_rotation(matrix)
    if np.abs(nearest - matrix).max() > _TOLERANCE:
        raise Rejected("rotation", f"{row.get('file')}: the nine numbers are no rotation matrix")
    return nearest
