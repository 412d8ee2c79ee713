"""Poses as cones that open out of the faces: a narrow bright cone is sure, a wide dark one is not.

The axis of a cone is the direction in which the face points, its half-angle is the expected error, and the tick on its
base shows where the crown of the head is.
"""

from __future__ import annotations

import cv2
import numpy as np

from semiuhpe.drawing.layer import Layer
from semiuhpe.drawing.style import (
    CAMERA_DISTANCE,
    Float,
    Ink,
    head_centre_and_radius,
    in_perspective,
    mixed,
    outlined_loop,
    outlined_stroke,
    stroke_width,
)
from semiuhpe.geometry.crop import Image

LENGTH = 1.7
"""From the middle of the head to the base, in head radii."""
NARROWEST_DEG, WIDEST_DEG = 7.0, 40.0
"""Half-angles that are drawn: a cone of no width could not be seen, and a wider one would hide the picture."""
_RIM = 40
_OPACITY = 0.55


def cone_points(rotation: Float, error_deg: float) -> Float:
    """Apex, middle of the base, and the base's rim, which begins above the crown. → (2 + 40, 3) camera axes, head radii."""
    half = np.radians(np.clip(error_deg, NARROWEST_DEG, WIDEST_DEG))
    turn = np.linspace(0, 2 * np.pi, _RIM, endpoint=False)
    radius = LENGTH * np.tan(half) if half < np.pi / 4 else LENGTH
    rim = np.stack([radius * np.sin(turn), -radius * np.cos(turn), np.full(_RIM, -LENGTH)], axis=1)
    points = np.concatenate([[[0, 0, 0], [0, 0, -LENGTH]], rim])
    return np.asarray(points @ rotation.T)


def paint_cone(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    """A cone in the direction of the face, as wide and as dark as the expected error is large."""
    centre, radius = head_centre_and_radius(box)
    points = cone_points(rotation, ink.error_deg)
    flat = centre + radius * in_perspective(points)
    layer = Layer.around(canvas, flat, radius)
    if layer is None:
        return
    width = stroke_width(radius, canvas)
    # The base is seen where the line of sight from the camera to it meets its outer side.
    to_base = points[1] + [0, 0, CAMERA_DISTANCE]
    open_side = float(to_base @ (points[1] - points[0])) < 0
    dark, light = mixed(ink.colour, 0.38, 0), mixed(ink.colour, 0.35, 255)
    hull = np.asarray(cv2.convexHull(flat.astype(np.float32))[:, 0], np.float64)
    parts = [(hull, dark), (flat[2:], light)] if open_side else [(flat[2:], light), (hull, dark)]
    for outline, colour in parts:
        layer.polygon(outline, colour)
    outlined_loop(canvas, hull, dark, max(1, width // 3))
    layer.blend(_OPACITY if ink.trusted else 0.4)
    thin = max(1, width // 2)
    if not open_side:  # from behind, lines that run together at the apex tell the cone from a disc
        for corner in flat[2 :: _RIM // 8]:
            outlined_stroke(canvas, flat[0], corner, ink.colour, max(1, thin // 2))
    outlined_loop(canvas, flat[2:], ink.colour, thin)
    outlined_stroke(canvas, flat[1], flat[2], ink.colour, thin)
