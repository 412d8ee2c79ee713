"""Poses as three axes: red to the image right of a head that faces the camera, green down its chin, blue out of its face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.style import BLUE, GREEN, GREY, RED, head_centre_and_radius, label, stroke, stroke_width
from semiuhpe.geometry.crop import Image

LENGTH = 1.1
"""Length of an axis in the image plane, in head radii."""


def draw_axes(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    readable: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
) -> Image:
    """A copy of the image with the axes of each head.

    image: (H, W, 3) uint8 RGB. rotation: (n, 3, 3) camera←head. box: (n, 4) x1, y1, x2, y2. readable: (n,) bool, the
    others are drawn grey. labels: n texts to put below the heads.
    """
    rotations = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    trusted = np.ones(len(rotations), bool) if readable is None else np.asarray(readable, dtype=bool)
    canvas = np.ascontiguousarray(image).copy()
    # Small heads first: where heads overlap, the nearer one is the larger one.
    for number in np.argsort([head_centre_and_radius(b)[1] for b in boxes], kind="stable"):
        centre, radius = head_centre_and_radius(boxes[number])
        width = stroke_width(radius)
        head = rotations[number]
        axes = [(head[:, 0], RED), (head[:, 1], GREEN), (-head[:, 2], BLUE)]
        axes.sort(key=lambda axis: -axis[0][2])  # far ones first
        for direction, colour in axes:
            tip = centre + LENGTH * radius * direction[:2]
            paint = colour if trusted[number] else GREY
            stroke(canvas, centre, tip, paint, width, outline=True)
            stroke(canvas, centre, tip, paint, width, outline=False)
        if labels is not None:
            label(canvas, labels[number], np.array([centre[0], boxes[number][3]]), radius)
    return canvas
