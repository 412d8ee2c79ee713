"""Miniature pictures for the tests of importers, and what a store holds of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore


def save_picture(path: Path, width: int = 160, height: int = 120, head: tuple[float, ...] | None = None) -> Path:
    """A grey picture with a white rectangle `head` (x1, y1, x2, y2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 60, np.uint8)
    if head is not None:
        x1, y1, x2, y2 = (int(v) for v in head)
        pixels[y1:y2, x1:x2] = 255
    Image.fromarray(pixels).save(path, quality=95)
    return path


def read_bgr(path: Path) -> NDArray[np.uint8]:
    """A picture as OpenCV has it, (H, W, 3) BGR."""
    picture = cv2.imread(str(path))
    assert picture is not None, f"{path} cannot be read"
    return picture.astype(np.uint8, copy=False)


def records(store: Path) -> dict[str, HeadRecord]:
    """Heads of a store by id."""
    return {record.id: record for record in HeadStore(store)}


def white_box(store: Path, identity: str) -> list[float]:
    """x1, y1, x2, y2 of the white rectangle in a stored picture: where the head really is, whatever the record says."""
    heads = HeadStore(store)
    image = heads.image([record.id for record in heads].index(identity))
    rows, columns = np.nonzero(image[..., 1] > 158)
    return [float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
