"""All heads of a picture by one painter, then the legend, then the labels, which keep clear of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.colour import error_colours
from semiuhpe.drawing.labels import Forms, paint_labels
from semiuhpe.drawing.legend import Legend, paint_legend
from semiuhpe.drawing.placement import whole_pixels
from semiuhpe.drawing.style import GREY, PLAIN, Colour, Float, Ink, head_centre_and_radius
from semiuhpe.geometry.crop import Image

Painter = Callable[[Image, Float, Float, Ink], None]
"""Draws one head in place: canvas, rotation (3, 3), box (4,), how."""


def draw_heads(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    paint: Painter,
    *,
    readable: ArrayLike | None,
    labels: Sequence[str | Forms] | None,
    expected_error_deg: ArrayLike | None = None,
    worst_deg: float = 40.0,
    legend: Legend | None = None,
) -> Image:
    """A copy of the image with every head painted, and its label near it. Arguments as of `poses.draw_poses`.

    expected_error_deg: (n,) chooses the colours, 0 where it is not given; worst_deg: where their range ends.
    """
    rotations = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    trusted = np.ones(len(rotations), bool) if readable is None else np.asarray(readable, dtype=bool)
    error = np.zeros(len(rotations)) if expected_error_deg is None else np.asarray(expected_error_deg, dtype=np.float64)
    colours = _colours(error, trusted, worst_deg)
    canvas = np.ascontiguousarray(image).copy()
    # Small heads first: where heads overlap, the nearer one is the larger one.
    for number in np.argsort([head_centre_and_radius(b)[1] for b in boxes], kind="stable"):
        ink = Ink(bool(trusted[number]), colours[number], float(error[number]))
        paint(canvas, rotations[number], boxes[number], ink)
    covered = None if legend is None else paint_legend(canvas, legend, whole_pixels(boxes))
    if labels is not None:
        edges = colours if expected_error_deg is not None else [PLAIN if known else GREY for known in trusted]
        paint_labels(canvas, labels, boxes, edges, [] if covered is None else [covered])
    return canvas


def _colours(error_deg: Float, trusted: ArrayLike, worst_deg: float) -> list[Colour]:
    """(n,) expected errors as colours, grey for a head that is not trusted."""
    found: list[Colour] = []
    for (red, green, blue), known in zip(
        error_colours(error_deg, worst_deg).tolist(), np.asarray(trusted), strict=True
    ):
        found.append((red, green, blue) if known else GREY)
    return found
