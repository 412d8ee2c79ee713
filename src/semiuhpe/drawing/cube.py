"""Poses as wire cubes around the heads: blue face in front, red behind, in perspective."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.heads import draw_heads
from semiuhpe.drawing.labels import Forms
from semiuhpe.drawing.legend import Legend
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


def draw_cubes(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    readable: ArrayLike | None = None,
    labels: Sequence[str | Forms] | None = None,
    legend: Legend | None = None,
) -> Image:
    """A copy of the image with a cube for each head: the face's side blue, the back red, edges between them grey.

    image: (H, W, 3) uint8 RGB. rotation: (n, 3, 3) camera←head. box: (n, 4) x1, y1, x2, y2. readable: (n,) bool, the
    others are drawn all grey. labels and legend: as of `poses.draw_poses`.
    """
    return draw_heads(image, rotation, box, _paint, readable=readable, labels=labels, legend=legend)


def _paint(canvas: Image, rotation: Float, box: Float, ink: Ink) -> None:
    centre, radius = head_centre_and_radius(box)
    points = _HALF * _CORNERS @ rotation.T
    flat = centre + radius * in_perspective(points)
    width = max(1, stroke_width(radius, canvas) // 2)
    for first, second in sorted(_EDGES, key=lambda edge: -float(points[edge[0], 2] + points[edge[1], 2])):
        outlined_stroke(canvas, flat[first], flat[second], _colour(first, second) if ink.trusted else GREY, width)


def _colour(first: int, second: int) -> tuple[int, int, int]:
    depth = _CORNERS[first, 2] + _CORNERS[second, 2]
    return BLUE if depth < 0 else RED if depth > 0 else (225, 225, 225)
