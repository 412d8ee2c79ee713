"""Boxes `x1, y1, x2, y2` in continuous pixel coordinates: overlap, suppression, and boxes under an affine map."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

LARGEST_AROUND = 6.0
"""Area of a box over that of one inside it up to which both are taken for one head: a bare face is a fifth of its head."""


def area(boxes: ArrayLike) -> Float:
    """(n, 4) → (n,) area in square pixels; 0 for a box that is turned inside out."""
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.maximum(b[:, 2] - b[:, 0], 0.0) * np.maximum(b[:, 3] - b[:, 1], 0.0)


def intersection(first: ArrayLike, second: ArrayLike) -> Float:
    """(n, 4), (m, 4) → (n, m) shared area of every pair."""
    a = np.asarray(first, dtype=np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, dtype=np.float64).reshape(1, -1, 4)
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    return np.asarray(np.maximum(width, 0.0) * np.maximum(height, 0.0))


def iou(first: ArrayLike, second: ArrayLike) -> Float:
    """(n, 4), (m, 4) → (n, m) intersection over union in [0, 1]; 0 where both have no area."""
    shared = intersection(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def non_maximum_suppression(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float, inside_threshold: float = 1.0
) -> NDArray[np.int64]:
    """Which boxes survive, best first. (n, 4), (n,) → (k,) int64 indices.

    From the best score down, a box falls if a kept one overlaps it by more than `iou_threshold`, or if more than
    `inside_threshold` of it lies inside a kept one of less than `LARGEST_AROUND` times its area (a head that a tile cut, or
    a face found as well as its head). Equal scores keep the order they came in.
    """
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    sizes = area(b)
    alive = np.ones(len(b), dtype=bool)
    kept: list[int] = []
    for index in order:
        if not alive[index]:
            continue
        kept.append(int(index))
        rest = np.flatnonzero(alive)
        shared = intersection(b[index], b[rest])[0]
        overlap = shared / np.maximum(sizes[index] + sizes[rest] - shared, 1e-12)
        inside = shared / np.maximum(sizes[rest], 1e-12)
        falls = (overlap > iou_threshold) | (
            (inside > inside_threshold) & (sizes[index] < LARGEST_AROUND * sizes[rest])
        )
        alive[rest[falls]] = False
        alive[index] = False
    return np.array(kept, dtype=np.int64)


def transform(boxes: ArrayLike, matrix: ArrayLike) -> Float:
    """The upright boxes around the images of boxes under an affine map.

    boxes: (n, 4). matrix: (2, 3). A turned box's corners stick out of the head that it holds, so under a
    rotation the ellipse inscribed in the box is what is bounded, not its corners. → (n, 4).
    """
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    m = np.asarray(matrix, dtype=np.float64)
    centre = np.stack([b[:, 0] + b[:, 2], b[:, 1] + b[:, 3]], axis=1) / 2
    half = np.stack([b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]], axis=1) / 2
    new_centre = centre @ m[:, :2].T + m[:, 2]
    # The extent of the ellipse {half·u : |u| = 1} along a row r of the matrix is |half ∘ r|.
    new_half = np.sqrt((half**2) @ (m[:, :2].T ** 2))
    return np.concatenate([new_centre - new_half, new_centre + new_half], axis=1)


def clip(boxes: ArrayLike, height: float, width: float) -> Float:
    """Boxes cut to the frame [0, width] × [0, height]. (n, 4) → (n, 4)."""
    b = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.clip(b, 0.0, [width, height, width, height])
