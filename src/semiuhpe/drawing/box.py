"""Poses as the boxes of the heads, in the colour of the expected error, with an arrow where the face points."""

from __future__ import annotations

import cv2
import numpy as np

from semiuhpe.drawing.style import (
    OUTLINE,
    Float,
    Ink,
    head_centre_and_radius,
    outlined_loop,
    outlined_stroke,
    stroke_width,
)
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import facing_direction

_SMALL = 14
"""Radius, pixels, below which a head has its arrow only."""


def paint_box(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    """The box of a head, and an arrow from its middle in the direction of the face.

    The arrow is as long as the direction has a part in the image plane. It begins at a disc where the face is towards
    the camera, at a ring where it is turned away."""
    centre, radius = head_centre_and_radius(box)
    width = stroke_width(radius * 0.7, canvas)
    left, top, right, bottom = box
    outlined_loop(canvas, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), ink.colour, width)
    facing = facing_direction(rotation)
    tip = centre + radius * facing[:2]
    length = float(np.hypot(*facing[:2])) * radius
    outlined_stroke(canvas, centre, tip, ink.colour, width)
    if length > 4 * width:
        along = (tip - centre) / length
        barb = min(0.3 * length, 0.25 * radius + 2)
        for side in (-1.0, 1.0):
            across = side * np.array([-along[1], along[0]])
            outlined_stroke(canvas, tip, tip + barb * (0.7 * across - along), ink.colour, width)
    if radius < _SMALL:  # a hub would hide the face
        return
    _hub(canvas, centre, max(2.0, radius / 8), towards=bool(facing[2] < 0), ink=ink, width=width)


def _hub(canvas: Image, centre: Float, radius: float, *, towards: bool, ink: Ink, width: int) -> None:
    middle = np.clip(np.round(centre - 0.5), -(1 << 20), 1 << 20).astype(int).tolist()
    size = min(round(radius), 1 << 14)
    cv2.circle(canvas, middle, size + max(1, width // 2), OUTLINE, -1, cv2.LINE_AA)
    cv2.circle(canvas, middle, size, ink.colour, -1, cv2.LINE_AA)
    if not towards:
        cv2.circle(canvas, middle, max(1, size - max(1, round(radius / 3))), OUTLINE, -1, cv2.LINE_AA)
