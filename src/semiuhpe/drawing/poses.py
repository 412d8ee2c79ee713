"""The styles of drawing by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from numpy.typing import ArrayLike

from semiuhpe.drawing.axes import draw_axes
from semiuhpe.drawing.cone import draw_cones
from semiuhpe.drawing.cube import draw_cubes
from semiuhpe.drawing.mesh import draw_meshes
from semiuhpe.geometry.crop import Image

Style = Literal["axes", "cube", "cone", "mesh"]
STYLES: tuple[Style, ...] = ("axes", "cube", "cone", "mesh")


def draw_poses(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    *,
    style: Style = "axes",
    expected_error_deg: ArrayLike | None = None,
    readable: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    worst_deg: float = 40.0,
) -> Image:
    """A copy of the image with each head drawn in that style.

    image: (H, W, 3) uint8 RGB. rotation: (n, 3, 3) camera←head. box: (n, 4) x1, y1, x2, y2. expected_error_deg: (n,),
    the colour of cones and meshes, whose range ends at worst_deg. readable: (n,) bool, the others are drawn grey.
    labels: n texts to put below the heads, "" for none.
    """
    if style == "axes":
        return draw_axes(image, rotation, box, readable=readable, labels=labels)
    if style == "cube":
        return draw_cubes(image, rotation, box, readable=readable, labels=labels)
    painter = draw_cones if style == "cone" else draw_meshes
    return painter(
        image, rotation, box, expected_error_deg=expected_error_deg, readable=readable, labels=labels,
        worst_deg=worst_deg,
    )  # fmt: skip
