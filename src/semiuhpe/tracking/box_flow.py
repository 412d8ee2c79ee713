"""Boxes carried from one frame to the next by what is seen in them: the median motion of tracked points.

Points of a grid in each box are followed by pyramidal Lucas–Kanade, there and back again; those that do not return to
where they began are left out. The median displacement moves the box, the median change of the distances between points
scales it. Cheap (one flow for all heads of a frame), and exact where a constant velocity would drift.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import Float

Grey = NDArray[np.uint8]

_SIDE = 480
"""Pixels of the longer side at which motion is measured."""
_GRID = 7
_LEAST_POINTS = 8
_RETURN_PIXELS = 1.0


def grey_of(image: Image) -> tuple[Grey, float]:
    """A small grey copy to measure motion in, and its scale. image: (H, W, 3) uint8 RGB → (h, w) uint8, h/H."""
    scale = min(1.0, _SIDE / max(image.shape[:2]))
    height, width = (max(1, round(n * scale)) for n in image.shape[:2])
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)  # first: one channel is shrunk, not three
    small = grey if scale == 1.0 else cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def carry(before: Grey, after: Grey, scale: float, boxes: Float) -> tuple[Float, NDArray[np.bool_]]:
    """Where boxes have gone. boxes: (n, 4) in the pictures' full pixels. → (n, 4) moved, and (n,) whether it was seen.

    Boxes whose points are lost (flat, blurred, covered, out of the picture) stay where they are and say False.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    moved, seen = boxes.copy(), np.zeros(len(boxes), dtype=bool)
    if len(boxes) == 0 or before.shape != after.shape or min(before.shape) < 16:
        return moved, seen
    # The inner part of a head box: its corners show the background.
    spread = np.linspace(0.2, 0.8, _GRID)
    x = boxes[:, None, None, 0] + (boxes[:, 2] - boxes[:, 0])[:, None, None] * spread[None, None, :]
    y = boxes[:, None, None, 1] + (boxes[:, 3] - boxes[:, 1])[:, None, None] * spread[None, :, None]
    grid = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(len(boxes), _GRID * _GRID, 2) * scale
    points = np.ascontiguousarray(grid.reshape(-1, 1, 2), dtype=np.float32)
    there, found = _follow(before, after, points)
    back, returned = _follow(after, before, there)
    drift = np.linalg.norm(back - points, axis=-1)[:, 0]
    height, width = before.shape
    inside = (points[:, 0] >= 0).all(axis=1) & (points[:, 0, 0] < width) & (points[:, 0, 1] < height)
    good = (found & returned & inside & (drift < _RETURN_PIXELS)).reshape(len(boxes), -1)
    target = np.asarray(there, dtype=np.float64).reshape(len(boxes), -1, 2)
    for i in range(len(boxes)):
        kept = good[i]
        if kept.sum() < _LEAST_POINTS:
            continue
        start, end = grid[i][kept], target[i][kept]
        first, second = np.triu_indices(len(start), 1)
        length = np.linalg.norm(start[first] - start[second], axis=1)
        factor = float(np.median(np.linalg.norm(end[first] - end[second], axis=1) / np.maximum(length, 1e-9)))
        factor = min(max(factor, 0.8), 1.25)
        centre = (boxes[i, :2] + boxes[i, 2:]) / 2
        # Points scale about the head's centre, so the centre's own motion is the median of what scaling leaves.
        shift = np.median(end - (centre * scale + factor * (start - centre * scale)), axis=0) / scale
        half = (boxes[i, 2:] - boxes[i, :2]) / 2 * factor
        moved[i] = np.concatenate([centre + shift - half, centre + shift + half])
        seen[i] = True
    return moved, seen


def _follow(before: Grey, after: Grey, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    there, status, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=(15, 15), maxLevel=3)  # type: ignore[call-overload]
    return there, np.asarray(status)[:, 0].astype(bool)
