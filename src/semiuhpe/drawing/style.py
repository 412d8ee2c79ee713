"""What all drawings share: sizes that follow the picture, colours, outlined strokes, labels."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from semiuhpe.drawing.colour import error_colours
from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]
Colour = tuple[int, int, int]

RED, GREEN, BLUE, GREY = (235, 40, 40), (40, 200, 60), (50, 110, 255), (150, 150, 150)
OUTLINE = (20, 20, 20)
_SHIFT = 4  # sub-pixel bits of OpenCV's drawing


CAMERA_DISTANCE = 6.0
"""From the camera to the middle of a head that is drawn in perspective, in head radii."""


class Ink(NamedTuple):
    """How to draw a head. trusted: whether its pose is readable; colour: that of its expected error, grey if it is not."""

    trusted: bool
    colour: Colour
    error_deg: float


def head_centre_and_radius(box: Float) -> tuple[Float, float]:
    """Centre (2,) of a head box and half its mean side, pixels."""
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return centre, float((box[2] - box[0]) + (box[3] - box[1])) / 4


def stroke_width(radius: float) -> int:
    """Thickness of a line for a head of this radius, pixels."""
    return int(np.clip(round(radius / 16), 1, 40))


def _fixed(point: Float) -> tuple[int, int]:
    # Pixel i is centred at i in OpenCV's drawing, at i + ½ in our continuous coordinates.
    x, y = np.clip((np.asarray(point) - 0.5) * (1 << _SHIFT), -(1 << 24), 1 << 24)
    return round(float(x)), round(float(y))


def stroke(canvas: Image, start: Float, end: Float, colour: Colour, width: int, *, outline: bool) -> None:
    """An anti-aliased line in place; with `outline`, the dark rim that makes it legible on any background."""
    if outline:
        cv2.line(canvas, _fixed(start), _fixed(end), OUTLINE, width + 2 + width // 3, cv2.LINE_AA, _SHIFT)
    else:
        cv2.line(canvas, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)


def label(canvas: Image, line: str, anchor: Float, radius: float) -> None:
    """One line of text in place, below `anchor`, kept inside the picture; white with a dark rim."""
    size = int(np.clip(round(radius * 0.32), 10, 160))
    width, height = text_extent(line, size)
    x = np.clip(anchor[0] - width / 2, 0, max(0, canvas.shape[1] - width))
    y = np.clip(anchor[1] + height * 0.2, 0, max(0, canvas.shape[0] - height))
    text(canvas, line, int(x), int(y), size)


def text(canvas: Image, line: str, left: int, top: int, size: int) -> None:
    """One line of text in place, white with a dark rim, `size` pixels high; what does not fit is cut off.

    Pillow's own font rather than OpenCV's, whose letters differ between its versions and lack ° and ± in older ones.
    """
    width, height = text_extent(line, size)
    top, left = max(0, top), max(0, left)
    region = canvas[top : top + height, left : left + width]
    if region.size == 0:
        return
    picture = Pillow.fromarray(region)
    rim = _rim(size)
    ImageDraw.Draw(picture).text(
        (rim, rim), line, fill=(255, 255, 255), font=_font(size), stroke_width=rim, stroke_fill=OUTLINE, anchor="la"
    )
    region[:] = np.asarray(picture)


def text_extent(line: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that `text` covers, rim included."""
    left, _, right, _ = _font(size).getbbox(line, stroke_width=_rim(size), anchor="la")
    return math.ceil(right - left) + 1, math.ceil(size * 1.25) + 2 * _rim(size)


def _rim(size: int) -> int:
    return max(1, size // 12)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


Painter = Callable[[Image, Float, Float, float, Ink], None]
"""Draws one head in place: canvas, rotation (3, 3), centre (2,), radius, how."""


def draw_heads(
    image: Image,
    rotation: ArrayLike,
    box: ArrayLike,
    paint: Painter,
    *,
    readable: ArrayLike | None,
    labels: Sequence[str] | None,
    expected_error_deg: ArrayLike | None = None,
    worst_deg: float = 40.0,
) -> Image:
    """A copy of the image with every head painted, and its label below it. Arguments as of `axes.draw_axes`.

    expected_error_deg: (n,) chooses the colours, 0 where it is not given; worst_deg: where their range ends.
    """
    rotations = np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3)
    boxes = np.asarray(box, dtype=np.float64).reshape(-1, 4)
    trusted = np.ones(len(rotations), bool) if readable is None else np.asarray(readable, dtype=bool)
    error = np.zeros(len(rotations)) if expected_error_deg is None else np.asarray(expected_error_deg, dtype=np.float64)
    colours = error_colours(error, worst_deg)
    canvas = np.ascontiguousarray(image).copy()
    # Small heads first: where heads overlap, the nearer one is the larger one.
    for number in np.argsort([head_centre_and_radius(b)[1] for b in boxes], kind="stable"):
        centre, radius = head_centre_and_radius(boxes[number])
        red, green, blue = (int(value) for value in colours[number])
        known = bool(trusted[number])
        ink = Ink(known, (red, green, blue) if known else GREY, float(error[number]))
        paint(canvas, rotations[number], centre, radius, ink)
        if labels is not None and labels[number]:
            label(canvas, labels[number], np.array([centre[0], boxes[number][3]]), radius)
    return canvas


def in_perspective(points: Float) -> Float:
    """Points of the head's surroundings as seen by a camera in front. (..., 3) camera axes, head radii → (..., 2)."""
    return np.asarray(points[..., :2] * (CAMERA_DISTANCE / (CAMERA_DISTANCE + points[..., 2:])))


def outlined_stroke(canvas: Image, start: Float, end: Float, colour: Colour, width: int) -> None:
    """A line with its dark rim, in place."""
    stroke(canvas, start, end, colour, width, outline=True)
    stroke(canvas, start, end, colour, width, outline=False)


def outlined_loop(canvas: Image, points: Float, colour: Colour, width: int) -> None:
    """A closed line through points (n, 2) with its dark rim, in place."""
    line = np.array([[_fixed(point) for point in points]], dtype=np.int32)
    for ink, thickness in ((OUTLINE, width + 2 + width // 3), (colour, width)):
        cv2.polylines(canvas, list(line), True, ink, thickness, cv2.LINE_AA, _SHIFT)


def mixed(colour: Colour, share: float, grey: int) -> Colour:
    """A colour with a share of grey mixed in."""
    red, green, blue = (round(c + share * (grey - c)) for c in colour)
    return red, green, blue
