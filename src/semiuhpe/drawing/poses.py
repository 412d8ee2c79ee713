"""Drawing of poses: the styles by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.axes import paint_axes
from semiuhpe.drawing.box import paint_box
from semiuhpe.drawing.cone import paint_cone
from semiuhpe.drawing.cube import paint_cube
from semiuhpe.drawing.heads import Painter, draw_heads
from semiuhpe.drawing.labels import Forms
from semiuhpe.drawing.legend import Legend
from semiuhpe.drawing.mesh import paint_mesh
from semiuhpe.geometry.crop import Image

Style = Literal["axes", "box", "cube", "cone", "mesh"]
STYLES: tuple[Style, ...] = ("axes", "box", "cube", "cone", "mesh")

_PAINTERS: dict[Style, Painter] = {
    "axes": paint_axes, "box": paint_box, "cube": paint_cube, "cone": paint_cone, "mesh": paint_mesh,
}  # fmt: skip

_BY_COLOUR: tuple[Style, ...] = ("box", "cone", "mesh")
"""Styles whose colour is the expected error."""


def draw_poses(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    style: Style = "axes",
    expected_error_deg: ArrayLike | None = None,
    readable: ArrayLike | None = None,
    labels: Sequence[str | Forms] | None = None,
    worst_deg: float = 40.0,
    legend: bool | None = False,
) -> Image:
    """Draw each head in a style on a copy of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        rotation: (n, 3, 3) camera←head.
        box: (n, 4) x1, y1, x2, y2 pixels.
        style: one of `STYLES`.
        expected_error_deg: (n,) degrees, the colour of boxes, cones and meshes, whose range ends at worst_deg.
        readable: (n,) bool, the others are drawn grey.
        labels: n texts, "" for none, each a line or several or a list of forms from the fullest to the shortest; they
            stand near their heads, never on each other, and on another head only where nothing else is free.
        worst_deg: expected error at which the range of colours ends, degrees.
        legend: whether what the colours mean is written into a corner; None = where any head has such a colour or is
            grey, and a corner is free.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    coloured = style in _BY_COLOUR
    told = _legend(coloured, readable, worst_deg, legend, count=len(np.reshape(np.asarray(box), (-1, 4))))
    return draw_heads(
        image,
        rotation,
        box,
        _PAINTERS[style],
        readable=readable,
        labels=labels,
        expected_error_deg=expected_error_deg if coloured else None,
        worst_deg=worst_deg,
        legend=told,
    )


def _legend(
    coloured: bool, readable: ArrayLike | None, worst_deg: float, wanted: bool | None, *, count: int
) -> Legend | None:
    if wanted is False:
        return None
    grey = readable is not None and not np.asarray(readable, bool).all()
    if wanted:
        return Legend(worst_deg, coloured, True, always=True)
    return Legend(worst_deg, coloured, grey) if count and (coloured or grey) else None
