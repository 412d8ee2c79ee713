"""Which parts of a photo the detector looks at, at which scale: few enough that any photo takes bounded work.

- *Whole*: the photo at up to `max_side` pixels; small photos are enlarged (at most `MAX_ENLARGEMENT` times), for
  the network is surest of heads of 15 to 200 pixels.
- *Overview*: the photo at `OVERVIEW` pixels, where a head that fills the frame has a size that the network knows.
- *Tiles*: where the photo is much larger than `max_side`, overlapping tiles at its own scale (smaller if there
  would be more than `max_tiles`). A photo of up to `WHOLE_BUDGET` · `max_side`² pixels is seen whole at its own scale
  instead: that is what its tiles would show, without their overlaps and cuts, for half the work or less.

What each view is good for is also a matter of size: see `View.smallest` and `View.largest`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERVIEW = 320
MAX_ENLARGEMENT = 2.0
TILE_FROM = 1.3
"""Photos longer than this times `max_side` are tiled."""
WHOLE_BUDGET = 2.5
"""Pixels of a whole view at the photo's own scale, in units of `max_side`²: room for 1080p with the default."""
OVERLAP = 0.2
"""Of a tile's side, shared with its neighbour: heads smaller than that are whole in one of the two."""
_BORDER = 3.0


@dataclass(frozen=True)
class View:
    """A rectangle of the photo and the scale it is seen at.

    x, y, width, height: pixels of the photo. scale: pixels of the view per pixel of the photo. cuts: whether its left,
    top, right and bottom side cut through the photo. smallest, largest: sizes of heads, pixels of the view, that it is
    trusted with.
    """

    x: float
    y: float
    width: float
    height: float
    scale: float
    cuts: tuple[bool, bool, bool, bool] = (False, False, False, False)
    smallest: float = 0.0
    largest: float = float("inf")

    def trusts(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which boxes (n, 4) in the view's pixels to keep: of a size it is good at, and not at a cut, where heads are
        cut too (the neighbour, or the whole photo, sees them uncut). → (n,)"""
        size = np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 0.0))
        good = (size >= self.smallest) & (size <= self.largest)
        left, top, right, bottom = self.cuts
        good &= ~(left & (boxes[:, 0] < _BORDER)) & ~(top & (boxes[:, 1] < _BORDER))
        good &= ~(right & (boxes[:, 2] > self.width * self.scale - _BORDER))
        good &= ~(bottom & (boxes[:, 3] > self.height * self.scale - _BORDER))
        return np.asarray(good)


def plan_views(height: int, width: int, max_side: int, max_tiles: int) -> list[View]:
    """The views of a photo of height × width pixels. max_side: pixels; max_tiles: 0 turns tiles off."""
    longest = max(height, width)
    scale = min(max_side / longest, MAX_ENLARGEMENT)
    overview = OVERVIEW / longest
    tiled = max_tiles > 0 and longest > TILE_FROM * max_side
    # The overview has to know the heads that are too large for a view at the photo's own scale.
    if tiled and height * width <= WHOLE_BUDGET * max_side**2 and 0.15 * longest < OVERVIEW:
        scale, tiled = 1.0, False
    if scale < 1.3 * overview:
        views = [View(0, 0, width, height, scale)]
    else:
        views = [
            View(0, 0, width, height, scale, largest=1.3 * OVERVIEW),
            View(0, 0, width, height, overview, smallest=0.15 * OVERVIEW),
        ]
    return views + (_tiles(height, width, max_side, max_tiles) if tiled else [])


def _starts(length: float, side: float) -> NDArray[np.float64]:
    """Where tiles of `side` begin so that they cover `length` evenly with the overlap. → (n,)"""
    if length <= side:
        return np.zeros(1)
    count = int(np.ceil((length - side) / (side * (1 - OVERLAP)))) + 1
    return np.linspace(0, length - side, count)


def _tiles(height: int, width: int, max_side: int, max_tiles: int) -> list[View]:
    scale, longest = 1.0, max(height, width)
    while True:
        side = max_side / scale
        xs, ys = _starts(width, side), _starts(height, side)
        if len(xs) * len(ys) <= max_tiles:
            break
        scale *= 0.95
    if side >= longest / TILE_FROM:  # hardly closer than the whole photo
        return []
    w, h = min(side, width), min(side, height)
    return [
        View(
            float(x),
            float(y),
            w,
            h,
            scale,
            cuts=(bool(x > 0), bool(y > 0), bool(x + w < width - 0.5), bool(y + h < height - 0.5)),
            largest=OVERLAP * max_side * 1.5,
        )
        for y in ys
        for x in xs
    ]
