"""Poses as three axes: red to the image right of a head that faces the camera, green down its chin, blue out of its face."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from semiuhpe.drawing.heads import draw_heads
from semiuhpe.drawing.labels import Forms
from semiuhpe.drawing.legend import Legend
from semiuhpe.drawing.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    Float,
    Ink,
    head_centre_and_radius,
    outlined_stroke,
    stroke_width,
)
from semiuhpe.geometry.crop import Image

LENGTH = 1.1
"""Length of an axis in the image plane, in head radii."""


def draw_axes(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    readable: ArrayLike | None = None,
    labels: Sequence[str | Forms] | None = None,
    legend: Legend | None = None,
) -> Image:
    """A copy of the image with the axes of each head.

    image: (H, W, 3) uint8 RGB. rotation: (n, 3, 3) camera←head. box: (n, 4) x1, y1, x2, y2. readable: (n,) bool, the
    others are drawn grey. labels and legend: as of `poses.draw_poses`.
    """
    return draw_heads(image, rotation, box, paint_axes, readable=readable, labels=labels, legend=legend)


def paint_axes(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    """The axes of a head; grey where it is not trusted."""
    centre, radius = head_centre_and_radius(box)
    axes = [(rotation[:, 0], RED), (rotation[:, 1], GREEN), (-rotation[:, 2], BLUE)]
    axes.sort(key=lambda axis: -axis[0][2])  # far ones first
    for direction, colour in axes:
        tip = centre + LENGTH * radius * direction[:2]
        outlined_stroke(canvas, centre, tip, colour if ink.trusted else GREY, stroke_width(radius, canvas))
