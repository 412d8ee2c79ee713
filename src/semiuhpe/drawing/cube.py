"""Poses as wire cubes around the heads: blue face in front, red behind, in perspective."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.style import BLUE, GREY, RED, head_centre_and_radius, label, stroke, stroke_width
from semiuhpe.geometry.crop import Image

_CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
_EDGES = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 2]
_HALF = 0.75
_DISTANCE = 6.0


def draw_cubes(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    readable: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
) -> Image:
    """A copy of the image with a cube for each head: the face's side blue, the back red, edges between them grey.

    image: (H, W, 3) uint8 RGB. rotation: (n, 3, 3) camera←head. box: (n, 4) x1, y1, x2, y2. readable: (n,) bool, the
    others are drawn all grey. labels: n texts to put below the heads.
    """
    rotations = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    trusted = np.ones(len(rotations), bool) if readable is None else np.asarray(readable, dtype=bool)
    canvas = np.ascontiguousarray(image).copy()
    for number in np.argsort([head_centre_and_radius(b)[1] for b in boxes], kind="stable"):
        centre, radius = head_centre_and_radius(boxes[number])
        points = _HALF * _CORNERS @ rotations[number].T
        flat = centre + radius * points[:, :2] * (_DISTANCE / (_DISTANCE + points[:, 2:]))
        width = max(1, stroke_width(radius) // 2)
        for first, second in sorted(_EDGES, key=lambda edge: -float(points[edge[0], 2] + points[edge[1], 2])):
            colour = _colour(first, second) if trusted[number] else GREY
            stroke(canvas, flat[first], flat[second], colour, width, outline=True)
            stroke(canvas, flat[first], flat[second], colour, width, outline=False)
        if labels is not None:
            label(canvas, labels[number], np.array([centre[0], boxes[number][3]]), radius)
    return canvas


def _colour(first: int, second: int) -> tuple[int, int, int]:
    depth = _CORNERS[first, 2] + _CORNERS[second, 2]
    return BLUE if depth < 0 else RED if depth > 0 else (225, 225, 225)
