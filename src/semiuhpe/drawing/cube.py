"""Poses as wire cubes around the heads: blue face in front, red behind, in perspective."""

from __future__ import annotations

import itertools

import numpy as np

from semiuhpe.drawing.style import (
    BLUE,
    GREY,
    RED,
    Float,
    Ink,
    head_centre_and_radius,
    in_perspective,
    outlined_stroke,
    stroke_width,
)
from semiuhpe.geometry.crop import Image

_CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
_EDGES = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2]
_HALF = 0.75


def paint_cube(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    """A cube: the face's side blue, the back red, edges between them grey; all grey where it is not trusted."""
    centre, radius = head_centre_and_radius(box)
    points = _HALF * _CORNERS @ rotation.T
    flat = centre + radius * in_perspective(points)
    width = max(1, stroke_width(radius, canvas) // 2)
    for first, second in sorted(_EDGES, key=lambda edge: -float(points[edge[0], 2] + points[edge[1], 2])):
        outlined_stroke(canvas, flat[first], flat[second], _colour(first, second) if ink.trusted else GREY, width)


def _colour(first: int, second: int) -> tuple[int, int, int]:
    depth = _CORNERS[first, 2] + _CORNERS[second, 2]
    return BLUE if depth < 0 else RED if depth > 0 else (225, 225, 225)
