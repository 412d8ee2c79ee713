"""What the colours of a drawing mean, written into a corner of it that no head is in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.drawing.colour import error_colours
from semiuhpe.drawing.labels import veil
from semiuhpe.drawing.lettering import letter_size, text, text_extent
from semiuhpe.drawing.placement import Rectangles
from semiuhpe.drawing.style import GREY
from semiuhpe.geometry.crop import Image

_LARGEST_SHARE = 0.12
"""Of the picture; a small picture gets a legend of fewer words, or none."""

Rectangle = tuple[int, int, int, int]
_Row = tuple[NDArray[np.uint8], str]


@dataclass(frozen=True)
class Legend:
    """coloured: heads have the colour of their expected error, up to worst_deg. grey: heads above it are grey.

    always: in the corner with the least of heads, where none is free.
    """

    worst_deg: float
    coloured: bool
    grey: bool
    always: bool = False


def paint_legend(canvas: Image, legend: Legend, boxes: Rectangles) -> Rectangle | None:
    """The legend in place, and the rectangle that it covers; None where there is nothing to tell or no room.

    boxes: (n, 4) of the heads.
    """
    size = letter_size(canvas.shape[:2])
    for wordy in (True, False):
        rows = _rows(legend, size, wordy)
        width, height = _extent(rows, size)
        if not rows or width * height > _LARGEST_SHARE * canvas.shape[0] * canvas.shape[1] or width > canvas.shape[1]:
            continue
        corner = _corner((width, height), boxes, canvas, legend.always)
        if corner is not None:
            rectangle = (*corner, corner[0] + width, corner[1] + height)
            _paint(canvas, rows, rectangle, size)
            return rectangle
    return None


def _rows(legend: Legend, size: int, wordy: bool) -> list[_Row]:
    """Swatch and words of each line."""
    worst, rows = f"{legend.worst_deg:g}°", []
    if legend.coloured:
        scale = error_colours(np.linspace(0, legend.worst_deg, 4 * size), legend.worst_deg)
        rows.append((scale[None].repeat(size, axis=0), f"expected error 0° to {worst}" if wordy else f"0–{worst}"))
    if legend.grey:
        swatch = np.full((size, 4 * size if legend.coloured else size, 3), GREY, np.uint8)
        rows.append((swatch, f"grey: over {worst}, direction is a guess" if wordy else f"over {worst}"))
    return rows


def _extent(rows: list[_Row], size: int) -> tuple[int, int]:
    words = [text_extent(line, size, rim=0) for _, line in rows]
    gap = max(3, size // 3)
    width = max((swatch.shape[1] + extent[0] for (swatch, _), extent in zip(rows, words, strict=True)), default=0)
    return width + 3 * gap, sum(extent[1] for extent in words) + gap


def _corner(extent: tuple[int, int], boxes: Rectangles, canvas: Image, always: bool) -> tuple[int, int] | None:
    """Left and top in the first corner that is free of heads, the lower ones first."""
    right, bottom = canvas.shape[1] - extent[0], canvas.shape[0] - extent[1]
    covered: list[tuple[int, int, tuple[int, int]]] = []
    for left, top in ((0, bottom), (right, bottom), (0, 0), (right, 0)):
        low = np.maximum(boxes[:, :2], [left, top])
        high = np.minimum(boxes[:, 2:], [left + extent[0], top + extent[1]])
        covered.append((int(np.prod(np.maximum(high - low, 0), axis=1).sum()), len(covered), (left, top)))
    area, _, corner = min(covered)
    return corner if always or area == 0 else None


def _paint(canvas: Image, rows: list[_Row], rectangle: Rectangle, size: int) -> None:
    veil(canvas, rectangle)
    gap = max(3, size // 3)
    left, top = rectangle[0] + gap, rectangle[1] + gap // 2
    for swatch, line in rows:
        height = text_extent(line, size, rim=0)[1]
        begin = top + (height - size) // 2
        canvas[begin : begin + size, left : left + swatch.shape[1]] = swatch
        cv2.rectangle(canvas, (left, begin), (left + swatch.shape[1] - 1, begin + size - 1), (235, 235, 235), 1)
        text(canvas, line, left + swatch.shape[1] + gap, top, size, rim=0)
        top += height
