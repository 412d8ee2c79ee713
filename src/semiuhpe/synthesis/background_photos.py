"""Photos as backgrounds: cut where they show no head, so that no unlabelled head stands beside the labelled one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, ImageError
from semiuhpe.images.load import load_image
from semiuhpe.prediction.boxes_file import boxes_of, read_boxes
from semiuhpe.sources.scut_head import read_voc_boxes
from semiuhpe.synthesis.backgrounds import Image
from semiuhpe.synthesis.formats import Float

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_ROOM = 0.15
"""A head's box is widened on each side by this share of its size before it counts as free."""
_TRIES = 40

Detector = Callable[[Image], Float]
"""(H, W, 3) uint8 RGB → boxes (n, 4) of the heads in it."""


@dataclass(frozen=True)
class Photo:
    """A file and the boxes (n, 4) of every head in it, pixels of the upright photo; None: not known."""

    path: Path
    boxes: Float | None


def find_photos(folder: Path, heads: str | None = None) -> list[Photo]:
    """Photos of a folder and its subfolders, sorted. Raises AssetsError if there is none.

    heads: where the boxes of their heads stand. None: there are no heads in these photos. "detect": nowhere; they have to
    be looked for. Else a file of boxes as `predict --boxes` takes it (CSV or JSON), or a folder of VOC XML files named as the
    photos are: then a photo that is not listed there is left out.
    """
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES] if folder.is_dir() else []
    if not paths:
        raise AssetsError(f"{folder}: no readable photos for backgrounds here; give a folder of JPEG or PNG files")
    if heads is None:
        return [Photo(path, np.zeros((0, 4))) for path in paths]
    if heads == "detect":
        return [Photo(path, None) for path in paths]
    where = Path(heads)
    if where.is_dir():
        known = {path.stem: read_voc_boxes(path) for path in sorted(where.rglob("*.xml"))}
        photos = [Photo(path, known[path.stem]) for path in paths if path.stem in known]
    else:
        listed = read_boxes(where)
        photos = [Photo(path, found[0]) for path in paths if (found := boxes_of(path, listed)) is not None]
    if not photos:
        raise AssetsError(f"{heads}: names none of the photos of {folder}")
    return photos


def fingerprint(photos: list[Photo]) -> str:
    """What tells one set of background photos from another: a digest of names, sizes and head boxes."""
    digest = hashlib.sha256()
    for photo in photos:
        boxes = b"?" if photo.boxes is None else np.asarray(photo.boxes, np.float64).tobytes()
        digest.update(f"{photo.path.name}:{photo.path.stat().st_size}:".encode() + boxes)
    return digest.hexdigest()[:16]


def free_square(
    shape: tuple[int, int], boxes: Float, rng: np.random.Generator, low: float = 0.2, high: float = 1.0
) -> tuple[int, int, int] | None:
    """A random square without any head: left, top, side in pixels; None where none was found.

    shape: height, width. boxes (n, 4), widened by a margin here. Sides are tried from large to small, between `high` and
    `low` of the shorter side.
    """
    height, width = shape
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    extent = (
        np.repeat(_ROOM * (boxes[:, 2:] - boxes[:, :2]), 2, axis=1).reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
    )
    wide = boxes + extent * [-1, -1, 1, 1]
    largest = rng.uniform(low, high)
    for attempt in range(_TRIES):
        side = int(min(height, width) * (largest + (low - largest) * attempt / _TRIES))
        if side < 24:
            return None
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        hit = (wide[:, 0] < x + side) & (wide[:, 2] > x) & (wide[:, 1] < y + side) & (wide[:, 3] > y)
        if not hit.any():
            return x, y, side
    return None


class PhotoBackgrounds:
    """Random head-free squares of photos, read when they are asked for.

    detect: finds heads in photos whose boxes are not known; None where all are. Photos are not kept in memory.
    """

    def __init__(self, photos: list[Photo], detect: Detector | None = None) -> None:
        self.photos, self.detect = photos, detect

    def crop(self, rng: np.random.Generator, size: int) -> Image | None:
        """A square, mirrored at random, sometimes blurred, (size, size, 3); None if this draw found no free place."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        try:
            image = load_image(photo.path)
        except ImageError:
            return None
        boxes = photo.boxes
        if boxes is None:
            boxes = self.detect(image) if self.detect is not None else np.zeros((0, 4))
        place = free_square(image.shape[:2], boxes, rng, low=0.3 if not len(boxes) else 0.15)
        if place is None:
            return None
        x, y, side = place
        way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        crop = np.asarray(cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=way), np.uint8)
        if rng.random() < 0.5:
            crop = np.asarray(cv2.flip(crop, 1), np.uint8)
        if rng.random() < 0.5:
            crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.5, 5.0)) * size / 256), np.uint8)
        return crop


def head_detector() -> Detector:
    """The package's own head detector, set to find rather too many heads than too few."""
    from semiuhpe.detection.detector import HeadDetector

    detector = HeadDetector(score_threshold=0.15, threads=1)

    def find(image: NDArray[np.uint8]) -> Float:
        return np.asarray(detector(image)[0], dtype=np.float64)

    return find
