"""Detection-aware evaluation: boxes from a detector instead of the labels', misses counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Image

Float = NDArray[np.float64]

IOU = 0.5
"""A detection is of the labelled head from this overlap on."""

Detector = Callable[[Image], tuple[NDArray[Any], NDArray[Any]]]
"""Picture (H, W, 3) uint8 RGB → boxes (n, 4) and scores (n,): a `HeadDetector`, for one.

The picture of a stored head reaches as far as its context, so heads are looked for there and not in the whole photo.
"""


def best_match(boxes: ArrayLike, label: ArrayLike, iou: float = IOU) -> Float | None:
    """The box that overlaps the labelled one most, or None if none reaches `iou`. (n, 4), (4,) → (4,)."""
    found = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    overlap = box_math.iou(found, np.asarray(label, dtype=np.float64)[None])[:, 0]
    if not len(found) or overlap.max() < iou:
        return None
    return np.asarray(found[int(overlap.argmax())])
