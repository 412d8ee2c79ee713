"""Appearance, for re-identification, in a few numbers: colours of the head, and of what is worn below it.

A head's own colours are hair and skin, much alike in many people; clothes tell people apart. So the descriptor is made of
two colour histograms, one over the ellipse in the head's box, one over a piece of the body below it, each with soft bins of
hue and saturation (as the plane of the CIELAB axes a, b) and, more coarsely, of lightness, which depends on the light. It is
meant for minutes, not for days, and for the people of one picture, not for a crowd of strangers in uniform.

`likeness` is the Bhattacharyya coefficient of two descriptors: 1 for the same colours in the same amounts, 0 for none shared.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.crop import Image, crop_matrix, warp

Float = NDArray[np.float64]

_SIDE = 24
"""Pixels that head and body are looked at in, each way: what is left does not depend on how near a person is."""
_CHROMA, _LIGHT = 9, 5
_CHROMA_SPAN = 60.0
"""Of a and b, CIELAB: beyond, colours are as good as pure."""
_BODY_SHARE = 0.6
"""Of the descriptor, where the body is in the picture."""
LENGTH = 2 * (_CHROMA * _CHROMA + _LIGHT)


def describe(image: Image, boxes: ArrayLike) -> Float:
    """Descriptors of the people whose heads are in these boxes.

    image: (H, W, 3) uint8 RGB; boxes: (n, 4) with area, pixels. → (n, `LENGTH`), not negative, each of sum 1. Where the body
    lies below the picture's edge, the head alone tells.
    """
    rows = [_describe(image, box) for box in np.asarray(boxes, dtype=np.float64).reshape(-1, 4)]
    return np.array(rows).reshape(-1, LENGTH)


def likeness(first: ArrayLike, second: ArrayLike) -> Float:
    """How alike people look: (n, d), (m, d) → (n, m) in [0, 1]."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return np.asarray(np.minimum(np.sqrt(np.maximum(a, 0)) @ np.sqrt(np.maximum(b, 0)).T, 1.0))


def _describe(image: Image, box: Float) -> Float:
    (x1, y1, x2, y2), (width, height) = box, box[2:] - box[:2]
    side = max(width, height)
    head = _patch(image, (x1 + x2) / 2, (y1 + y2) / 2, side)
    body_y = y2 + 0.75 * side
    body = _patch(image, (x1 + x2) / 2, body_y, 1.2 * side)
    # Of the body's square, the rows that the picture has.
    rows = body_y + (np.arange(_SIDE) + 0.5 - _SIDE / 2) / _SIDE * 1.2 * side
    inside = (rows < image.shape[0]).astype(np.float64)[:, None] * np.ones((1, _SIDE))
    body_share = _BODY_SHARE * inside.mean()
    return np.concatenate(
        [
            (1 - body_share) * _histogram(head, _ELLIPSE),
            body_share * _histogram(body, inside),
        ]
    )


def _patch(image: Image, x: float, y: float, side: float) -> Image:
    return warp(image, crop_matrix(x, y, max(side, 1.0), _SIDE), _SIDE)


def _ellipse() -> Float:
    at = (np.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    return (at[:, None] ** 2 / 0.81 + at[None] ** 2 / 0.64 <= 1).astype(np.float64)


_ELLIPSE = _ellipse()


def _histogram(patch: Image, weight: Float) -> Float:
    """Of a patch (s, s, 3), sum 1: chroma in soft bins on a square grid, then lightness in soft bins."""
    total = weight.sum()
    if total <= 0:
        return np.full(_CHROMA * _CHROMA + _LIGHT, 1.0 / (_CHROMA * _CHROMA + _LIGHT))
    lab = cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    w = weight.ravel() / total
    along = (np.clip(lab[:, 1:] / _CHROMA_SPAN, -1, 1) + 1) / 2 * (_CHROMA - 1)
    low, share = _soft(along, _CHROMA)
    chroma = np.zeros(_CHROMA * _CHROMA)
    for da in (0, 1):
        for db in (0, 1):
            part = np.abs(1 - da - share[:, 0]) * np.abs(1 - db - share[:, 1]) * w
            chroma += np.bincount((low[:, 0] + da) * _CHROMA + low[:, 1] + db, part, minlength=_CHROMA * _CHROMA)
    low, share = _soft(np.clip(lab[:, 0] / 100, 0, 1) * (_LIGHT - 1), _LIGHT)
    light = np.bincount(low, (1 - share) * w, minlength=_LIGHT) + np.bincount(low + 1, share * w, minlength=_LIGHT)
    return np.concatenate([0.7 * chroma, 0.3 * light])


def _soft(value: Float, bins: int) -> tuple[NDArray[np.int64], Float]:
    """The lower of the two bins that a value lies between, and how far it is towards the upper one."""
    low = np.minimum(np.floor(value).astype(np.int64), bins - 2)
    return low, value - low
