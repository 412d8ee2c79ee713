"""What is known of the heads that a protocol measures: a rotation, a direction, or an azimuth alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from semiuhpe.arrays import evenly_spread
from semiuhpe.errors import StoreError
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.record import HeadRecord

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
Groups = NDArray[np.str_]
Kind = Literal["rotation", "direction", "azimuth"]


class Heads(Protocol):
    """Heads by number, each a record and a picture around it: a `HeadStore`, or anything that looks like one."""

    def __len__(self) -> int: ...

    def record(self, index: int) -> HeadRecord:
        """Record number `index`."""

    def image(self, index: int) -> Image:
        """The picture that the record's box lies in, (H, W, 3) uint8 RGB."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of n heads; NaN where something is not known.

    ids: (n,) str. rotation: (n, 3, 3) camera←head. azimuth, elevation: (n,) radians, of the rotation where there is
    one. angles_deg: (n, 3) pitch, yaw, roll as the data set published them, yaw over the full circle; protocols choose
    heads by them. subjects: (n,) str, who or which photo a head is of, its own id where that is not known; intervals
    are of subjects.
    """

    ids: NDArray[np.str_]
    rotation: Float
    azimuth: Float
    elevation: Float
    angles_deg: Float
    subjects: Groups

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, chosen: Mask) -> Labels:
        return Labels(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def known(self, kind: Kind) -> Mask:
        """Which heads have a label of this kind. → (n,) bool"""
        azimuth, elevation = np.isfinite(self.azimuth), np.isfinite(self.elevation)
        if kind == "rotation":
            return np.asarray(np.isfinite(self.rotation).all(axis=(1, 2)))
        return azimuth & elevation if kind == "direction" else azimuth

    def best_kind(self) -> Kind:
        """The most that is known of any head."""
        kinds: tuple[Kind, ...] = ("rotation", "direction")
        return next((kind for kind in kinds if self.known(kind).any()), "azimuth")


def labels_of(records: Sequence[HeadRecord]) -> Labels:
    """Labels of records: their rotations, and the extras `azimuth_deg`, `elevation_deg` of heads without one.

    The published angles are the extras `pitch_deg`, `yaw_deg` and `roll_deg` where a record has all three, else the
    triple of the rotation with the smaller |pitch| + |roll|. Raises StoreError for extras that are no numbers.
    """
    count = len(records)
    rotation = np.array([np.full((3, 3), np.nan) if r.rotation is None else r.rotation for r in records])
    rotation = rotation.reshape(count, 3, 3)
    given = np.array([[_extra(r, f"{name}_deg") for name in _EXTRAS] for r in records]).reshape(count, len(_EXTRAS))
    azimuth, elevation = np.radians(given[:, 0]), np.radians(given[:, 1])
    angles = given[:, 2:].copy()
    labelled = np.isfinite(rotation).all(axis=(1, 2))
    if labelled.any():
        azimuth[labelled], elevation[labelled], _ = azimuth_elevation_tilt(rotation[labelled]).T
        unknown = labelled & ~np.isfinite(angles).all(axis=1)
        angles[unknown] = euler_deg(rotation[unknown], "whenet")
    ids = np.array([r.id for r in records], dtype=np.str_)
    subjects = np.array([r.subject or r.id for r in records], dtype=np.str_)
    return Labels(ids, rotation, azimuth, elevation, angles, subjects)


_EXTRAS = ("azimuth", "elevation", "pitch", "yaw", "roll")


def _extra(record: HeadRecord, name: str) -> float:
    value: Any = record.extras.get(name)
    if value is None or value == "":
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise StoreError(f"head {record.id}: {name} is no number ({value!r}); import the source again") from None


def choose(heads: Heads, split: str, limit: int = 0, *, official: str = "") -> list[int]:
    """Numbers of the heads of one split, all or `limit` of them evenly spread.

    official: where heads have the extra `official_split` (a store may divide a set otherwise than its authors did), it
    must be this one, and `split` is not asked for. Raises StoreError if there are no such heads.
    """
    records = [heads.record(i) for i in range(len(heads))]
    splits = [str(r.extras.get(_OFFICIAL, "")) for r in records] if official else []
    wanted = official if any(splits) else split
    if not any(splits):
        splits = [r.split for r in records]
    chosen = [i for i, own in enumerate(splits) if own == wanted]
    if not chosen:
        there = ", ".join(sorted(set(splits) - {""})) or "none, the store is empty"
        raise StoreError(f"{_name(heads)}: has no heads in split {wanted!r}; choose --split from: {there}")
    return [chosen[i] for i in evenly_spread(len(chosen), limit)]


_OFFICIAL = "official_split"


def _name(heads: Heads) -> str:
    return str(getattr(heads, "path", "the store"))
