"""What all drawings share: sizes that follow the picture, colours, outlined strokes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]
Colour = tuple[int, int, int]

RED, GREEN, BLUE, GREY = (235, 40, 40), (40, 200, 60), (50, 110, 255), (150, 150, 150)
PLAIN = (235, 235, 235)
"""Of a label's edge where no colour means anything."""
OUTLINE = (20, 20, 20)
_SHIFT = 4  # sub-pixel bits of OpenCV's drawing


CAMERA_DISTANCE = 6.0
"""From the camera to the middle of a head that is drawn in perspective, in head radii."""


class Ink(NamedTuple):
    """How to draw a head. trusted: whether its pose is readable; colour: that of its expected error, grey if it is not."""

    trusted: bool
    colour: Colour
    error_deg: float


def head_centre_and_radius(box: Float) -> tuple[Float, float]:
    """Centre (2,) of a head box and half its mean side, pixels."""
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return centre, float((box[2] - box[0]) + (box[3] - box[1])) / 4


def stroke_width(radius: float, canvas: Image | None = None) -> int:
    """Thickness of a line for a head of this radius, pixels. canvas: a large picture, which is looked at made smaller,
    has thicker lines for small heads."""
    least = 1 if canvas is None else min(max(canvas.shape[:2]) / 1500, radius / 7)
    return int(np.clip(round(radius / 16), max(1, round(least)), 40))


def _fixed(point: Float) -> tuple[int, int]:
    # Pixel i is centred at i in OpenCV's drawing, at i + ½ in our continuous coordinates.
    x, y = np.clip((np.asarray(point) - 0.5) * (1 << _SHIFT), -(1 << 24), 1 << 24)
    return round(float(x)), round(float(y))


def stroke(canvas: Image, start: Float, end: Float, colour: Colour, width: int, *, outline: bool) -> None:
    """An anti-aliased line in place; with `outline`, the dark rim that makes it legible on any background."""
    if outline:
        cv2.line(canvas, _fixed(start), _fixed(end), OUTLINE, width + 2 + width // 3, cv2.LINE_AA, _SHIFT)
    else:
        cv2.line(canvas, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)


def in_perspective(points: Float) -> Float:
    """Points of the head's surroundings as seen by a camera in front. (..., 3) camera axes, head radii → (..., 2)."""
    return np.asarray(points[..., :2] * (CAMERA_DISTANCE / (CAMERA_DISTANCE + points[..., 2:])))


def outlined_stroke(canvas: Image, start: Float, end: Float, colour: Colour, width: int) -> None:
    """A line with its dark rim, in place."""
    stroke(canvas, start, end, colour, width, outline=True)
    stroke(canvas, start, end, colour, width, outline=False)


def outlined_loop(canvas: Image, points: Float, colour: Colour, width: int) -> None:
    """A closed line through points (n, 2) with its dark rim, in place."""
    line = np.array([[_fixed(point) for point in points]], dtype=np.int32)
    for ink, thickness in ((OUTLINE, width + 2 + width // 3), (colour, width)):
        cv2.polylines(canvas, list(line), True, ink, thickness, cv2.LINE_AA, _SHIFT)


def mixed(colour: Colour, share: float, grey: int) -> Colour:
    """A colour with a share of grey mixed in."""
    red, green, blue = (round(c + share * (grey - c)) for c in colour)
    return red, green, blue
