"""What all drawings share: sizes that follow the picture, colours, outlined strokes, labels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]
Colour = tuple[int, int, int]

RED, GREEN, BLUE, GREY = (235, 40, 40), (40, 200, 60), (50, 110, 255), (150, 150, 150)
OUTLINE = (20, 20, 20)
_SHIFT = 4  # sub-pixel bits of OpenCV's drawing


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
    return int(round(float(x))), int(round(float(y)))


def stroke(canvas: Image, start: Float, end: Float, colour: Colour, width: int, *, outline: bool) -> None:
    """An anti-aliased line in place; with `outline`, the dark rim that makes it legible on any background."""
    if outline:
        cv2.line(canvas, _fixed(start), _fixed(end), OUTLINE, width + 2 + width // 3, cv2.LINE_AA, _SHIFT)
    else:
        cv2.line(canvas, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)


def label(canvas: Image, text: str, anchor: Float, radius: float) -> None:
    """One line of text in place, below `anchor`, kept inside the picture; white with a dark rim."""
    height, width = canvas.shape[:2]
    scale = float(np.clip(radius / 60, 0.35, 3.0))
    thickness = max(1, round(scale * 1.3))
    (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x = int(np.clip(anchor[0] - text_width / 2, 1, max(1, width - text_width - 1)))
    y = int(np.clip(anchor[1] + text_height * 1.5, text_height + 1, max(text_height + 1, height - below - 1)))
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, OUTLINE, thickness + 2, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thickness, cv2.LINE_AA)
