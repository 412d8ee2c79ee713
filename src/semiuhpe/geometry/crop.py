"""The one crop: how a head box becomes the square picture that a network sees.

Training, evaluation and inference all come through here. The crop is a square of side `margin` × the mean box
side, centred on the box, never clipped to the frame: what lies outside is padded. Aspect ratio never changes.
One affine warp takes the source pixels to the crop; where it shrinks, source pixels are averaged, not skipped.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

MARGIN = 1.3
"""Crop side over mean head-box side."""

PAD_COLOUR = (124, 116, 104)
"""What lies outside the photo: the ImageNet mean, which normalises to zero."""

_SMALL = 8
"""A picture of so many times the pixels of its crop is small enough that all of it may be copied."""

Image = NDArray[np.uint8]
Float = NDArray[np.float64]


def crop_square(box: ArrayLike, margin: float = MARGIN) -> tuple[float, float, float]:
    """Centre x, centre y and side of the square crop of a head box `x1, y1, x2, y2`, in pixels of the image.

    Raises ValueError for a box that is not finite or has no area.
    """
    x1, y1, x2, y2 = np.asarray(box, dtype=np.float64).tolist()
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x2 <= x1 or y2 <= y1:
        raise ValueError(f"a head box must be finite x1, y1, x2, y2 with x2 > x1 and y2 > y1, got {(x1, y1, x2, y2)}")
    return (x1 + x2) / 2, (y1 + y2) / 2, margin * ((x2 - x1) + (y2 - y1)) / 2


def crop_matrix(centre_x: float, centre_y: float, side: float, size: int) -> Float:
    """Affine matrix crop←image, (2, 3), of a square of `side` pixels drawn at `size` × `size` pixels.

    Coordinates are continuous: pixel i covers [i, i+1), so (0, 0) is the outer corner of the first pixel.
    """
    scale = size / side
    return np.array([[scale, 0.0, size / 2 - scale * centre_x], [0.0, scale, size / 2 - scale * centre_y]])


def warp(
    image: Image, matrix: ArrayLike, size: int, *, pad: tuple[int, int, int] = PAD_COLOUR, reflect: bool = False
) -> Image:
    """Draw `image` through an affine matrix as a square picture; area-averaged when the matrix shrinks.

    image: (H, W, 3) uint8. matrix: (2, 3) output←image, continuous coordinates (see `crop_matrix`).
    reflect: continue the image by its mirror images, rather than by `pad`. Returns (size, size, 3) uint8.
    """
    return warp_to(image, matrix, size, size, pad=pad, reflect=reflect)


def warp_to(
    image: Image,
    matrix: ArrayLike,
    height: int,
    width: int,
    *,
    pad: tuple[int, int, int] = PAD_COLOUR,
    reflect: bool = False,
) -> Image:
    """As `warp`, drawn as (height, width, 3) uint8."""
    matrix = np.asarray(matrix, dtype=np.float64)
    # A bilinear tap averages two pixels a side; beyond that, average whole blocks of the region in use first.
    factor = block_factor(matrix)
    if factor > 1:
        image, matrix = _reduce(image, matrix, height, width, factor)
    # OpenCV's coordinates are those of pixel centres: shift by half a pixel, warp, shift back.
    (a, b, x), (c, d, y) = matrix.tolist()
    centred = np.array([[a, b, x + (a + b - 1) / 2], [c, d, y + (c + d - 1) / 2]])
    # The very same numbers in half the time: OpenCV vectorises bilinear warps of four channels, not of three.
    four = image.shape[0] * image.shape[1] <= _SMALL * height * width
    out = cv2.warpAffine(
        cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if four else image,
        centred,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101 if reflect else cv2.BORDER_CONSTANT,
        borderValue=(*pad, 0) if four else pad,
    )
    return np.asarray(cv2.cvtColor(out, cv2.COLOR_RGBA2RGB) if four else out, dtype=np.uint8)


def block_factor(matrix: Float) -> int:
    """Side of the blocks of source pixels that `warp` averages first, 1 = none. matrix (2, 3) output←image."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return max(1, int(1.0 / math.sqrt(max(abs(a * d - b * c), 1e-12))))


def _reduce(image: Image, matrix: Float, height: int, width: int, factor: int) -> tuple[Image, Float]:
    """Average blocks of factor × factor pixels over the part of the image that the warp will read."""
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))
    corners = inverse @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], dtype=np.float64)
    rows, columns = image.shape[:2]
    low = np.floor(corners[:2].min(axis=1)).astype(int) - 2 * factor
    high = np.ceil(corners[:2].max(axis=1)).astype(int) + 2 * factor
    x1, y1 = (int(v) for v in np.clip(low, 0, [columns, rows]))
    x2, y2 = (int(v) for v in np.clip(high, 0, [columns, rows]))
    if x2 - x1 < 1 or y2 - y1 < 1:
        return image[:1, :1] * 0 + np.uint8(0), np.array([[1.0, 0, -1e6], [0, 1.0, -1e6]])
    region = image[y1:y2, x1:x2]
    new_w, new_h = max(1, -(-(x2 - x1) // factor)), max(1, -(-(y2 - y1) // factor))
    scale_x, scale_y = (x2 - x1) / new_w, (y2 - y1) / new_h
    reduced = cv2.resize(region, (new_w, new_h), interpolation=cv2.INTER_AREA)
    to_image = np.array([[scale_x, 0.0, x1], [0.0, scale_y, y1], [0.0, 0.0, 1.0]])
    return np.asarray(reduced, dtype=np.uint8), (np.vstack([matrix, [0.0, 0.0, 1.0]]) @ to_image)[:2]


def crop_head(image: Image, box: ArrayLike, size: int, margin: float = MARGIN) -> Image:
    """The square crop of one head. image (H, W, 3) uint8, box x1, y1, x2, y2 → (size, size, 3) uint8."""
    return warp(image, crop_matrix(*crop_square(box, margin), size), size)
