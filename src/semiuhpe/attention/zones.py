"""What people may look at: directions, parts of the picture, points in space.

Azimuths and elevations are those of the tables of `semiuhpe predict`: 0 faces the lens. Points and depths are metres in the
camera's frame, x to the picture's right, y down, z into the scene, and need a camera, as does a box with a depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semiuhpe.attention.beliefs import Sights
from semiuhpe.poses.camera import Camera

Bool = NDArray[np.bool_]

ELSEWHERE, UNSURE = "elsewhere", "unsure"
"""No zone, and nothing that is more probable than not; so no zone is called that."""

_LEAST_ACROSS = np.sin(np.radians(20.0))
"""A line of sight nearer to the camera's ray has no direction in the picture."""


class Zone(Protocol):
    """Something to look at."""

    @property
    def name(self) -> str:
        """Unique among zones."""

    @property
    def needs_camera(self) -> bool:
        """Whether directions alone do not tell."""

    def met(self, sights: Sights, camera: Camera | None) -> Bool:
        """Tell which lines of sight meet the zone.

        Args:
            sights: k lines of sight for each of n heads.
            camera: that took the picture, or None.

        Returns:
            (n, k) bool.
        """


@dataclass(frozen=True)
class DirectionZone:
    """A range of azimuths and of elevations, those of `semiuhpe predict`: 0 faces the lens.

    Attributes:
        name: unique among zones.
        azimuth_deg: from the first, through growing ones, to the second, degrees.
        elevation_deg: from the lower to the upper, degrees.
    """

    name: str
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-90.0, 90.0)
    needs_camera = False

    def met(self, sights: Sights, camera: Camera | None) -> Bool:
        """See `Zone`.

        Args:
            sights: k lines of sight for each of n heads.
            camera: not asked.

        Returns:
            (n, k) bool.
        """
        x, y, z = np.moveaxis(sights.relative, -1, 0)
        azimuth, elevation = np.degrees(np.arctan2(-x, -z)), np.degrees(np.arcsin(np.clip(-y, -1, 1)))
        first, last = self.azimuth_deg
        width = 360.0 if last - first >= 360 else np.mod(last - first, 360.0)
        low, high = self.elevation_deg
        return np.asarray((np.mod(azimuth - first, 360.0) <= width) & (elevation >= low) & (elevation <= high))


@dataclass(frozen=True)
class PictureZone:
    """A box of the picture.

    With depth_m it stands so far before the camera, facing it, and a line of sight either meets it or not. Without, how
    far away it is is not known: a head looks at it if, as seen in the picture, the box lies in the direction of the
    face; heads inside the box, and faces within 20° of the camera's ray, towards it or away, do not look at it.

    Attributes:
        name: unique among zones.
        box: x1, y1, x2, y2 pixels.
        depth_m: its distance before the camera, metres, or None.
    """

    name: str
    box: tuple[float, float, float, float]
    depth_m: float | None = None

    @property
    def needs_camera(self) -> bool:
        """Whether it has a depth, and so is a place in space."""
        return self.depth_m is not None

    def met(self, sights: Sights, camera: Camera | None) -> Bool:
        """See `Zone`.

        Args:
            sights: k lines of sight for each of n heads.
            camera: that took the picture; None will do without a depth.

        Returns:
            (n, k) bool.

        Raises:
            ValueError: a depth without a camera.
        """
        if self.depth_m is None:
            return self._met_in_the_picture(sights)
        direction, origin = _in_space(sights)
        if camera is None:
            raise ValueError("a depth needs a camera")
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (self.depth_m - origin[..., 2]) / direction[..., 2]
            pixel = camera.project((origin + reach[..., None] * direction).reshape(-1, 3)).reshape(*reach.shape, 2)
            inside = (pixel >= self.box[:2]).all(-1) & (pixel <= self.box[2:]).all(-1)
        return np.asarray(inside & (reach > 0))

    def _met_in_the_picture(self, sights: Sights) -> Bool:
        step, start = sights.relative[..., :2], sights.centre[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack([(np.asarray(corner) - start) / step for corner in (self.box[:2], self.box[2:])])
        # A line along an axis is within that axis' bounds for ever, or never.
        between = (start >= self.box[:2]) & (start <= self.box[2:])
        low = np.where(step == 0, np.where(between, -np.inf, np.inf), ends.min(axis=0)).max(axis=-1)
        high = np.where(step == 0, np.where(between, np.inf, -np.inf), ends.max(axis=0)).min(axis=-1)
        seen = np.linalg.norm(step, axis=-1) >= _LEAST_ACROSS
        return np.asarray(seen & (low <= high) & (high >= 0) & ~between.all(axis=-1))


@dataclass(frozen=True)
class PointZone:
    """A point in space; met by a line of sight that passes within an angle of it, or a distance.

    Attributes:
        name: unique among zones.
        point_m: x, y, z in metres, camera frame.
        within_deg: the angle, degrees.
        radius_m: the distance, metres, which then counts instead of the angle; or None.
    """

    name: str
    point_m: tuple[float, float, float]
    within_deg: float = 15.0
    radius_m: float | None = None
    needs_camera = True

    def met(self, sights: Sights, camera: Camera | None) -> Bool:
        """See `Zone`.

        Args:
            sights: k lines of sight for each of n heads, with their places in space.
            camera: not asked.

        Returns:
            (n, k) bool.

        Raises:
            ValueError: lines of sight that were made without a camera.
        """
        direction, origin = _in_space(sights)
        to_point = np.asarray(self.point_m) - origin
        along = np.sum(to_point * direction, axis=-1)
        distance = np.linalg.norm(to_point, axis=-1)
        if self.radius_m is None:
            return np.asarray(along >= distance * np.cos(np.radians(self.within_deg)))
        passing = np.sqrt(np.maximum(distance**2 - along**2, 0.0))
        return np.asarray((distance <= self.radius_m) | ((along > 0) & (passing <= self.radius_m)))


def _in_space(sights: Sights) -> tuple[Any, Any]:
    if sights.direction is None or sights.origin is None:
        raise ValueError("a place in space needs a camera")
    return sights.direction, sights.origin


@dataclass(frozen=True)
class Scene:
    """Zones, and the camera where it is known.

    Attributes:
        zones: what may be looked at; they may overlap.
        camera: that took the pictures, or None.
    """

    zones: tuple[Zone, ...]
    camera: Camera | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the zones, and last `ELSEWHERE`."""
        return (*(zone.name for zone in self.zones), ELSEWHERE)

    def probabilities(self, sights: Sights) -> NDArray[np.float64]:
        """How probable it is that heads look at each zone, and at none of them. Zones may overlap.

        Args:
            sights: lines of sight of n heads.

        Returns:
            (n, zones + 1) in [0, 1], the last for no zone.
        """
        if not self.zones:
            return np.ones((len(sights.centre), 1))
        met = np.stack([zone.met(sights, self.camera) for zone in self.zones], axis=1)
        return np.concatenate([met.mean(axis=2), 1.0 - met.any(axis=1).mean(axis=1)[:, None]], axis=1)
