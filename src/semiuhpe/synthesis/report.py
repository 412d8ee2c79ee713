"""What a store of renders holds, in shares: poses, light, and what heads wear."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.record import HeadRecord

_WORN: dict[str, Callable[[HeadRecord], bool]] = {
    "hat or hood": lambda head: bool(head.extras.get("hat")),
    "spectacles": lambda head: bool(head.extras.get("glasses")),
    "mask": lambda head: bool(head.extras.get("mask")),
    "hand or phone": lambda head: bool(head.extras.get("hand")),
    "something in front": lambda head: bool(head.extras.get("in_front")),
}


def shares(heads: Iterable[HeadRecord]) -> dict[str, float]:
    """Share of the heads, 0 to 1, by name; measured on the stored rotations, not taken from the settings."""
    kept = [head for head in heads if head.rotation is not None]
    if not kept:
        return {}
    azimuth, elevation, tilt = np.abs(np.degrees(azimuth_elevation_tilt(np.stack([h.rotation for h in kept])))).T  # type: ignore[misc]
    poses = {
        "seen from behind (|azimuth| > 90°)": azimuth > 90,
        "|elevation| > 60°": elevation > 60,
        "|tilt| > 45°": tilt > 45,
        "upside down (|tilt| > 90°)": tilt > 90,
    }
    found = {name: float(np.mean(mask)) for name, mask in poses.items()}
    return found | {name: float(np.mean([has(head) for head in kept])) for name, has in _WORN.items()}


def summary(heads: Iterable[HeadRecord]) -> str:
    """The shares in one line."""
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares(heads).items())
