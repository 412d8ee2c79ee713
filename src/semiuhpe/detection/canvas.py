"""How pixels reach the head detector; training and inference both draw their pictures here.

The network takes uint8 RGB whose sides are multiples of `STEP`; normalisation is part of the network itself.
"""

from __future__ import annotations

import numpy as np

from semiuhpe.geometry.crop import PAD_COLOUR, Float, Image, warp_to

STEP = 32
"""The coarsest stride: heights and widths are multiples of it."""


def draw(image: Image, matrix: Float, height: int, width: int) -> Image:
    """Draw a photo through an affine matrix (2, 3) output←image, averaged where it shrinks. → (height, width, 3)."""
    left, top = -matrix[:, 2]
    if np.array_equal(matrix[:, :2], np.eye(2)) and left == int(left) >= 0 and top == int(top) >= 0:
        canvas = np.full((height, width, 3), PAD_COLOUR, dtype=np.uint8)  # at its own scale a photo is copied
        part = image[int(top) : int(top) + height, int(left) : int(left) + width]
        canvas[: part.shape[0], : part.shape[1]] = part
        return canvas
    return np.ascontiguousarray(warp_to(image, matrix, height, width))


def padded(length: float) -> int:
    """The smallest multiple of `STEP` that holds `length` pixels."""
    return max(STEP, int(np.ceil(round(length, 6) / STEP)) * STEP)


def letterbox(image: Image, scale: float) -> tuple[Image, Float]:
    """A photo at `scale`, top left in a canvas padded to multiples of `STEP`.

    → canvas (H', W', 3) uint8, matrix (2, 3) canvas←image. Divide found boxes by `scale` to go back.
    """
    height, width = image.shape[:2]
    matrix = np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    return draw(image, matrix, padded(height * scale), padded(width * scale)), matrix
