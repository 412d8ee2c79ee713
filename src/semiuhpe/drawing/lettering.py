"""Text in a picture: Pillow's own font rather than OpenCV's, whose letters differ between its versions and lack ° and ±."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from semiuhpe.drawing.style import OUTLINE
from semiuhpe.geometry.crop import Image

SMALLEST_PX = 11
"""No letters are smaller: they could not be read."""


def letter_size(picture: tuple[int, int], radius: float = 0.0) -> int:
    """Height of letters, pixels. picture: height, width; a large one is looked at made smaller. radius: of the head."""
    longest = max(picture)
    least = max(SMALLEST_PX, round(longest / 120))
    return int(np.clip(round(radius * 0.22), least, max(least, round(longest / 32))))


def text(canvas: Image, line: str, left: int, top: int, size: int, *, rim: int | None = None) -> None:
    """One line of text in place, white with a dark rim, `size` pixels high; what does not fit is cut off.

    rim: its width, pixels; None: as suits the size.
    """
    width, height = text_extent(line, size, rim=rim)
    top, left = max(0, top), max(0, left)
    region = canvas[top : top + height, left : left + width]
    if region.size == 0:
        return
    picture = Pillow.fromarray(region)
    around = _rim(size) if rim is None else rim
    ImageDraw.Draw(picture).text(
        (around, around),
        line,
        fill=(255, 255, 255),
        font=_font(size),
        stroke_width=around,
        stroke_fill=OUTLINE,
        anchor="la",
    )
    region[:] = np.asarray(picture)


def text_extent(line: str, size: int, *, rim: int | None = None) -> tuple[int, int]:
    """Width and height in pixels that `text` covers, rim included."""
    around = _rim(size) if rim is None else rim
    left, _, right, _ = _font(size).getbbox(line, stroke_width=around, anchor="la")
    return math.ceil(right - left) + 1, math.ceil(size * 1.25) + 2 * around


def _rim(size: int) -> int:
    return max(1, size // 12)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
