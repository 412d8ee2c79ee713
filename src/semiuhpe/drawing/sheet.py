"""Contact sheets: many small pictures in one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.drawing.lettering import text
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Float, Image, crop_matrix, crop_square, warp

BACKGROUND = (32, 32, 32)

_AROUND = 1.8
"""Side of a head's tile over that of its box: what is around the head tells why it is hard."""


def contact_sheet(
    images: Sequence[Image], *, columns: int = 8, tile: int = 128, captions: Sequence[str] | None = None
) -> Image:
    """A grid of pictures, each scaled to fit a square tile, row by row.

    images: (H, W, 3) uint8 RGB of any sizes. captions: one line of text under each. Returns (H, W, 3) uint8; for no
    images, one empty tile.
    """
    strip = 0 if captions is None else max(12, tile // 8)
    rows = max(1, -(-len(images) // columns))
    used = columns if len(images) >= columns else max(1, len(images))
    sheet = np.empty((rows * (tile + strip), used * tile, 3), np.uint8)
    sheet[:] = BACKGROUND
    for number, image in enumerate(images):
        top, left = number // columns * (tile + strip), number % columns * tile
        height, width = image.shape[:2]
        scale = tile / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        y, x = top + (tile - size[1]) // 2, left + (tile - size[0]) // 2
        sheet[y : y + size[1], x : x + size[0]] = small
        if captions is not None:
            text(sheet[:, : left + tile], captions[number], left + 2, top + tile, max(9, round(strip * 0.7)))
    return sheet


def head_tile(image: Image, box: ArrayLike, size: int) -> tuple[Image, Float]:
    """A head with its surroundings, (size, size, 3) uint8, and its box there, (4,). box: x1, y1, x2, y2."""
    corners = np.asarray(box, dtype=np.float64)
    matrix = crop_matrix(*crop_square(corners, _AROUND), size)
    return warp(image, matrix, size), box_math.transform(corners[None], matrix)[0]
