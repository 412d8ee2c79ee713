"""Which detections lie on no head at all, as against heads that are boxed badly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry import boxes as box_math

APART = 0.1
"""A false head overlaps no real one by more than this IoU."""


def on_no_head(boxes: NDArray[np.float64], heads: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the found boxes (n, 4) lie on none of the heads (m, 4). → (n,)

    Their IoU with every head is at most `APART`, and neither the box's center is in a head nor a head's in the box.
    """
    overlap = box_math.iou(boxes, heads).max(axis=1, initial=0.0)
    touching = _centers_within(boxes, heads) | _centers_within(heads, boxes).T
    return np.asarray((overlap <= APART) & ~touching.any(axis=1))


def _centers_within(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the center of each box (n, 4) is in each of the others (m, 4). → (n, m)"""
    center = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    return np.asarray(np.all((center > others[None, :, :2]) & (center < others[None, :, 2:]), axis=2))
