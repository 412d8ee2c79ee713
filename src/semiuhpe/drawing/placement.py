"""Where labels go: beside their own head, on no other head, on no other label, inside the picture.

All rectangles are of whole pixels, `left, top, right, bottom` with right and bottom exclusive. A label is placed where
its cost is least: its distance from its own head's box weighs `_APART` times as much as its distance from the place
below the middle of that box. Both are sums over x and y of convex, piecewise linear functions, so the best free place
has each coordinate at a bend of its function or at the edge of an obstacle: few places have to be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rectangles = NDArray[np.int64]
Size = tuple[int, int]

_APART = 4
_NEAR = 0.75
"""Up to how far from its head, in mean sides of the head's box, a label is not lost beside it."""
_NEAREST_PX = 16


@dataclass(frozen=True)
class Place:
    """A label's place. rectangle: (left, top, right, bottom). form: which of the label's forms fits there."""

    rectangle: tuple[int, int, int, int]
    form: int


def whole_pixels(boxes: ArrayLike) -> Rectangles:
    """The pixels that boxes (n, 4) touch, as rectangles (n, 4). Coordinates beyond ±10⁶ are cut off there."""
    corners = np.clip(np.reshape(np.asarray(boxes, dtype=np.float64), (-1, 4)), -1e6, 1e6)
    return np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], axis=1).astype(np.int64)


def place_labels(
    forms: Sequence[Sequence[Size]], boxes: Rectangles, picture: Size, reserved: Sequence[Sequence[int]] = ()
) -> list[Place | None]:
    """A place for the label of each head, so that no two labels overlap.

    forms: of each head, (width, height) of its label from the fullest form to the shortest; () for no label. boxes:
    (n, 4) of all heads. picture: width, height. reserved: rectangles that no label may overlap. Large heads choose first. Each label takes the first of these that is
    free: near its head and on none, or on its own head, both with the fullest form that fits; then, in the shortest form,
    anywhere on no head, on its own, on the head of another. None where even that is taken.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).sum(axis=1) / 2
    places: list[Place | None] = [None] * len(forms)
    taken = np.array(reserved, np.int64).reshape(-1, 4)
    for number in np.argsort(-sides, kind="stable").tolist():
        place = _place(forms[number], boxes, number, taken, picture)
        if place is not None:
            places[number] = place
            taken = np.concatenate([taken, [place.rectangle]])
    return places


def _place(forms: Sequence[Size], boxes: Rectangles, number: int, taken: Rectangles, picture: Size) -> Place | None:
    if not forms:
        return None
    own = boxes[number]
    near = max(_NEAREST_PX, int(_NEAR * int((own[2:] - own[:2]).sum()) / 2))
    others = np.concatenate([np.delete(boxes, number, axis=0), taken])
    everything = np.concatenate([boxes, taken])
    last = len(forms) - 1
    tries: list[tuple[int, Rectangles, int | None]] = [
        (form, obstacles, near) for form in range(len(forms)) for obstacles in (everything, others)
    ]
    tries += [(last, everything, None), (last, others, None), (last, taken, None)]
    for form, obstacles, reach in tries:
        corner = nearest_free(forms[form], own, obstacles, picture, reach=reach)
        if corner is not None:
            (left, top), (width, height) = corner, forms[form]
            return Place((left, top, left + width, top + height), form)
    return None


def nearest_free(
    size: Size, own: Rectangles, obstacles: Rectangles, picture: Size, *, reach: int | None = None
) -> tuple[int, int] | None:
    """Left and top of the cheapest rectangle of that size inside the picture that overlaps no obstacle; None: there is none.

    own: (4,) box that the rectangle belongs to. obstacles: (k, 4). reach: how far, in x plus y, it may be from `own`.
    """
    limits = picture[0] - size[0], picture[1] - size[1]
    if min(limits) < 0:
        return None
    if reach is not None:  # what is farther away than that is no matter
        low, high = own[:2] - reach - np.array(size), own[2:] + reach + np.array(size)
        obstacles = obstacles[(obstacles[:, :2] < high).all(axis=1) & (obstacles[:, 2:] > low).all(axis=1)]
    wanted = _preferred(own, size, limits)
    x = _coordinates(own[[0, 2]], size[0], obstacles[:, [0, 2]], limits[0], wanted[0])
    y = _coordinates(own[[1, 3]], size[1], obstacles[:, [1, 3]], limits[1], wanted[1])
    cost_x, gap_x = _cost(x, own[[0, 2]], size[0], wanted[0])
    cost_y, gap_y = _cost(y, own[[1, 3]], size[1], wanted[1])
    cost = cost_x[:, None] + cost_y[None]
    free = np.ones(cost.shape, bool)
    if reach is not None:
        free &= gap_x[:, None] + gap_y[None] <= reach
    for left, top, right, bottom in obstacles.tolist():
        across = (x > left - size[0]) & (x < right)
        down = (y > top - size[1]) & (y < bottom)
        free[np.ix_(across, down)] = False
    if not free.any():
        return None
    best = int(np.where(free, cost, np.iinfo(np.int64).max).argmin())
    column, row = divmod(best, cost.shape[1])
    return int(x[column]), int(y[row])


def _preferred(own: Rectangles, size: Size, limits: tuple[int, int]) -> tuple[int, int]:
    """Left and top of a label in the middle below its box, moved into the picture."""
    left, top = (int(own[0]) + int(own[2]) - size[0]) // 2, int(own[3])
    return min(max(left, 0), limits[0]), min(max(top, 0), limits[1])


def _coordinates(span: Rectangles, length: int, edges: Rectangles, limit: int, preferred: int) -> Rectangles:
    """Every coordinate that the best free place can have, sorted, within 0..limit."""
    bends = [0, limit, preferred, int(span[0]) - length, int(span[1])]
    found = np.concatenate([bends, edges[:, 0] - length, edges[:, 1]]).astype(np.int64)
    return np.unique(found[(found >= 0) & (found <= limit)])


def _cost(at: Rectangles, span: Rectangles, length: int, preferred: int) -> tuple[Rectangles, Rectangles]:
    """A coordinate's part of the cost, and of the distance from the box."""
    gap = np.maximum(0, np.maximum(span[0] - (at + length), at - span[1]))
    return _APART * gap + np.abs(at - preferred), gap
