"""The camera that took a picture: what its pixels mean as directions.

A pinhole without distortion, in the frame of docs/conventions.md: x to the image right, y down, z into the scene. Where a
focal length is not known from a calibration, the field of view or what the photo's EXIF tells of the lens gives it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.arrays import as_array
from semiuhpe.errors import InputError
from semiuhpe.images.load import exif_of

Float = NDArray[np.float64]

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""Of 35 mm film, which "35 mm equivalent" focal lengths are for: equal angles of view across the diagonal (CIPA DCG-001)."""

_FOCAL_MM, _FOCAL_35_MM, _PLANE_X, _PLANE_Y, _PLANE_UNIT = 0x920A, 0xA405, 0xA20E, 0xA20F, 0xA210
_PIXELS_X, _PIXELS_Y = 0xA002, 0xA003
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""Of the focal plane's resolution: inch, centimetre, millimetre, micrometre (EXIF 2.32, table 6)."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        matrix: (3, 3) intrinsics in pixels of the upright picture, `[[fx, s, cx], [0, fy, cy], [0, 0, 1]]`, read-only.
        size: width and height of the picture, pixels.

    Raises:
        InputError: a malformed matrix or size.
    """

    matrix: Float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        matrix = as_array("camera matrix", self.matrix, (3, 3))
        upper = np.isfinite(matrix).all() and matrix[2].tolist() == [0, 0, 1] and matrix[1, 0] == 0
        if not upper or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError("camera matrix: expected [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "size", _checked_size(self.size))

    @classmethod
    def from_focal_length(cls, focal_px: float, size: tuple[int, int]) -> Camera:
        """Make a camera with square pixels, its axis through the middle of the picture.

        Args:
            focal_px: focal length, pixels.
            size: width and height of the picture, pixels.

        Returns:
            The camera.

        Raises:
            InputError: a length or size that is not positive.
        """
        width, height = _checked_size(size)
        focal = _positive("a focal length in pixels", focal_px)
        return cls(np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]]), (width, height))

    @classmethod
    def from_field_of_view(
        cls,
        size: tuple[int, int],
        *,
        horizontal_deg: float | None = None,
        vertical_deg: float | None = None,
        diagonal_deg: float | None = None,
    ) -> Camera:
        """Make a camera from the angle that the picture spans across its width, height or diagonal.

        Args:
            size: width and height of the picture, pixels.
            horizontal_deg: angle across the width, degrees.
            vertical_deg: angle across the height, degrees.
            diagonal_deg: angle across the diagonal, degrees.

        Returns:
            The camera, its axis through the middle of the picture.

        Raises:
            InputError: not exactly one angle, or one that is not between 1° and 179°.
        """
        width, height = _checked_size(size)
        given = [
            (angle, pixels)
            for angle, pixels in (
                (horizontal_deg, float(width)),
                (vertical_deg, float(height)),
                (diagonal_deg, math.hypot(width, height)),
            )
            if angle is not None
        ]
        if len(given) != 1:
            raise InputError("a field of view is one angle: horizontal_deg, vertical_deg or diagonal_deg")
        ((angle, pixels),) = given
        if not 1.0 <= angle <= 179.0:
            raise InputError(f"a field of view is an angle from 1° to 179°, got {angle:g}")
        return cls.from_focal_length(pixels / 2 / math.tan(math.radians(angle) / 2), (width, height))

    @classmethod
    def from_photo(cls, photo: str | os.PathLike[str] | Any, *, sensor_width_mm: float | None = None) -> Camera:
        """Make a camera from what a photo's EXIF tells of its lens.

        Taken in this order: the focal length and the sensor's width where `sensor_width_mm` is given; the 35 mm
        equivalent, which is for the diagonal; the focal length and the resolution of the focal plane.

        Args:
            photo: path or PIL image, not cropped since it was taken.
            sensor_width_mm: width of the sensor, its longer side, mm.

        Returns:
            The camera, its axis through the middle.

        Raises:
            InputError: the photo tells none of them; the message has the remedy.
        """
        name = (
            str(photo) if isinstance(photo, str | os.PathLike) else str(getattr(photo, "filename", "") or "the picture")
        )
        tags, size = exif_of(photo)
        return cls.from_focal_length(focal_length_px(tags, size, sensor_width_mm, name), size)

    @property
    def field_of_view_deg(self) -> tuple[float, float]:
        """Across the width and across the height, degrees, as if the axis went through the middle."""
        width, height = self.size
        return (
            math.degrees(2 * math.atan(width / 2 / self.matrix[0, 0])),
            math.degrees(2 * math.atan(height / 2 / self.matrix[1, 1])),
        )

    def on_plane(self, points: ArrayLike) -> Float:
        """Points of the image on the plane z = 1 of the camera's frame.

        Args:
            points: (n, 2) pixels.

        Returns:
            (n, 2) x and y of `(x, y, 1)`, camera frame.
        """
        flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        y = (flat[:, 1] - self.matrix[1, 2]) / self.matrix[1, 1]
        x = (flat[:, 0] - self.matrix[0, 2] - self.matrix[0, 1] * y) / self.matrix[0, 0]
        return np.stack([x, y], axis=1)

    def project(self, points: ArrayLike) -> Float:
        """Points of the camera's frame on the image.

        Args:
            points: (n, 3) camera frame, any unit.

        Returns:
            (n, 2) pixels; NaN for points that are not before the camera.
        """
        flat = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        depth = np.where(flat[:, 2:] > 0, flat[:, 2:], np.nan)
        return np.asarray((flat / depth) @ self.matrix[:2].T)


def focal_length_px(tags: Any, size: tuple[int, int], sensor_width_mm: float | None, name: str) -> float:
    """Focal length from EXIF tags, as `Camera.from_photo` says.

    Source: equal angles of view across the diagonal for the 35 mm equivalent (CIPA DCG-001); tags of EXIF 2.32.

    Args:
        tags: EXIF tags, number → value.
        size: width and height of the upright picture, pixels.
        sensor_width_mm: width of the sensor, mm, or None.
        name: of the photo, for errors.

    Returns:
        Focal length in pixels.

    Raises:
        InputError: the tags do not tell it.
    """
    longer, shorter = max(size), min(size)
    focal_mm, equivalent = _number(tags.get(_FOCAL_MM)), _number(tags.get(_FOCAL_35_MM))
    if sensor_width_mm is not None:
        if focal_mm is None:
            raise InputError(
                f"{name}: its EXIF tells no focal length, which sensor_width_mm goes with; give a field of view"
            )
        return (
            focal_mm / _positive("a sensor's width in mm", sensor_width_mm) * longer
        )  # the sensor's width is its longer side
    if equivalent is not None:
        return equivalent / FILM_DIAGONAL_MM * math.hypot(longer, shorter)
    density = _number(tags.get(_PLANE_X)) or _number(tags.get(_PLANE_Y))
    unit_mm = _UNIT_MM.get(int(_number(tags.get(_PLANE_UNIT)) or 2))
    if focal_mm is not None and density is not None and unit_mm is not None:
        # The resolution is that of the picture as it was taken; a smaller copy keeps the tags.
        taken = max(_number(tags.get(_PIXELS_X)) or longer, _number(tags.get(_PIXELS_Y)) or 0.0)
        return focal_mm / unit_mm * density * longer / taken
    raise InputError(
        f"{name}: its EXIF tells neither a 35 mm equivalent nor focal length and sensor; give a field of view, or sensor_width_mm"
    )


def _number(value: Any) -> float | None:
    """A tag's value, where it is a positive number."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _positive(what: str, value: float) -> float:
    number = _number(value)
    if number is None:
        raise InputError(f"{what} is a positive number, got {value!r}")
    return number


def _checked_size(size: Any) -> tuple[int, int]:
    try:
        width, height = (int(n) for n in size)
    except (TypeError, ValueError) as error:
        raise InputError(f"a camera's size is (width, height) in pixels, got {size!r}") from error
    if width < 1 or height < 1:
        raise InputError(f"a camera's size is (width, height) in pixels, got {size!r}")
    return width, height
