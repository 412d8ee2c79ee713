"""What a head or a photo looks like, small enough to hold a hundred thousand of them: grey thumbnails.

A thumbnail is `SIDE` pixels wide. Its middle, the core, is `CORE` pixels wide and holds what is compared first: the
square of the mean side of a head's box, or a whole photo. Around it lies what helps to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.geometry.crop import Image, crop_matrix, crop_square, warp
from semiuhpe.heads.store import HeadStore

SIDE = 48
CORE = 32

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Thumbnail = tuple[Grey, Mask]
"""Grey (SIDE, SIDE) uint8, the picture's border repeated beyond it, and which of its pixels the picture really has."""


@dataclass(frozen=True, eq=False)
class Appearances:
    """Thumbnails of n heads or photos. names: n of them; grey: (n, SIDE, SIDE) uint8; seen: (n, SIDE, SIDE) bool."""

    names: tuple[str, ...]
    grey: Grey
    seen: Mask

    def __len__(self) -> int:
        return len(self.names)

    def thumbnail(self, index: int) -> Thumbnail:
        """Number `index`."""
        return self.grey[index], self.seen[index]

    @classmethod
    def of(cls, named: Iterable[tuple[str, Thumbnail]]) -> Appearances:
        """Out of names and thumbnails; there may be none."""
        rows = list(named)
        grey = np.array([grey for _, (grey, _) in rows], np.uint8).reshape(-1, SIDE, SIDE)
        seen = np.array([seen for _, (_, seen) in rows], np.bool_).reshape(-1, SIDE, SIDE)
        return cls(tuple(name for name, _ in rows), grey, seen)


def concatenated(parts: Iterable[Appearances]) -> Appearances:
    """One after the other."""
    return Appearances.of((part.names[i], part.thumbnail(i)) for part in parts for i in range(len(part)))


def thumbnail_of_head(image: Image, box: ArrayLike) -> Thumbnail:
    """A head in its picture: the core is the square of the box's mean side.

    image (H, W, 3) uint8, box x1, y1, x2, y2 in its pixels. Raises ValueError for a box without area.
    """
    x, y, side = crop_square(box, SIDE / CORE)
    height, width = image.shape[:2]
    # Beyond its border a picture goes on as it ends: a constant colour would make an edge that all cropped faces share.
    left, top, right, bottom = (
        max(0, int(np.ceil(v))) for v in (side / 2 - x, side / 2 - y, x + side / 2 - width, y + side / 2 - height)
    )
    padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)
    small = warp(np.asarray(padded, np.uint8), crop_matrix(x + left, y + top, side, SIDE), SIDE)
    across = x - side / 2 + (np.arange(SIDE) + 0.5) * side / SIDE
    down = y - side / 2 + (np.arange(SIDE) + 0.5) * side / SIDE
    seen = ((down >= 0) & (down < height))[:, None] & ((across >= 0) & (across < width))[None]
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8), seen


def thumbnail_of_photo(image: Image) -> Thumbnail:
    """A whole photo (H, W, 3) uint8 as the core, whatever its shape; there is nothing around it."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    core = cv2.resize(grey, (CORE, CORE), interpolation=cv2.INTER_AREA)
    edge = (SIDE - CORE) // 2
    seen = np.zeros((SIDE, SIDE), np.bool_)
    seen[edge : edge + CORE, edge : edge + CORE] = True
    return np.asarray(cv2.copyMakeBorder(core, edge, edge, edge, edge, cv2.BORDER_REPLICATE), np.uint8), seen


def appearances_of_store(store: HeadStore) -> Appearances:
    """Every head of a store, named by its id. Raises StoreError for a damaged picture."""

    def rows() -> Iterator[tuple[str, Thumbnail]]:
        for index, record in enumerate(store):
            yield record.id, thumbnail_of_head(store.image(index), record.box)

    return Appearances.of(rows())
