"""What the head detector is trained on, opened from a recipe's paths."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, MissingExtraError
from semiuhpe.geometry.crop import Image
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.helmet_workers import read_helmet_workers
from semiuhpe.sources.scut_head import AnnotatedPhoto, PhotoSet, read_scut_head
from semiuhpe.sources.split_by import SplitBy
from semiuhpe.sources.tables import numbers, read_table
from semiuhpe.training.detector.portraits import read_portraits
from semiuhpe.training.detector.recipe import DetectorRecipe

HEADLESS = (
    "brick", "cell", "chelsea", "clock", "coffee", "colorwheel", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "page", "retina", "rocket", "text",
)  # fmt: skip
"""Pictures without heads in scikit-image's wheel; its astronaut and cameraman are for testing."""


CORNERS = ("x1", "y1", "x2", "y2")

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_LONGEST = 800


@dataclass(frozen=True)
class StoredHead:
    """A rendered head of a store as a picture with one box. boxes: (1, 4)."""

    store: HeadStore
    index: int
    boxes: NDArray[np.float64]

    def image(self) -> Image:
        """The context crop, (H, W, 3) uint8 RGB."""
        return self.store.image(self.index)


def rendered_heads(path: str, limit: int) -> list[StoredHead]:
    """The first `limit` heads of a store's train split. A store that is still growing gives the same ones later."""
    store = HeadStore(path)
    chosen = [i for i, record in enumerate(store.records) if record.split == "train"][:limit]
    if len(chosen) < limit:
        raise AssetsError(f"{path}: {len(chosen)} rendered heads for training, the recipe asks for {limit}")
    return [StoredHead(store, i, np.array([store.records[i].box], dtype=np.float64)) for i in chosen]


def headless_pictures(sources: Sequence[str]) -> list[Image]:
    """Pictures without heads: of folders and all that is below them; "skimage" stands for those of scikit-image.

    Raises AssetsError for a folder without pictures, MissingExtraError where scikit-image is not installed.
    """
    pictures: list[Image] = []
    for source in sources:
        pictures.extend(_skimage_pictures() if source == "skimage" else _folder_pictures(Path(source)))
    return pictures


def _skimage_pictures() -> list[Image]:
    try:
        data = importlib.import_module("skimage.data")
    except ImportError as error:
        raise MissingExtraError("headless: skimage", "dev") from error
    return [as_rgb(np.asarray(getattr(data, name)())) for name in HEADLESS]


def _folder_pictures(folder: Path) -> list[Image]:
    pictures: list[Image] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES:
            picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)
            if picture is not None and min(picture.shape[:2]) >= 32:
                shrink = min(1.0, _LONGEST / max(picture.shape[:2]))
                small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
                pictures.append(np.asarray(small, dtype=np.uint8))
    if not pictures:
        raise AssetsError(f"{folder}: no readable pictures here; give a folder of photos without people")
    return pictures


def as_rgb(picture: NDArray[np.generic]) -> Image:
    """Grey (H, W), RGB or RGBA uint8 → (H, W, 3) uint8."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    return np.ascontiguousarray(picture[..., :3], dtype=np.uint8)


def excluded_photos(path: str) -> set[str]:
    """Names in the `photo` column of a CSV: photos that other evaluations use. "" gives none."""
    if not path:
        return set()
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {row["photo"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise AssetsError(f"{path}: not a CSV file with a column 'photo' ({error})") from error


def open_photos(recipe: DetectorRecipe) -> PhotoSet:
    """SCUT-HEAD and HelmetWorkers in their splits, photos listed in the CSV `excluded` forced into the test split."""
    crowds = read_scut_head(recipe.photos, excluded_photos(recipe.excluded), cast("SplitBy", recipe.split_by))
    if not recipe.helmet_workers:
        return crowds
    workers = read_helmet_workers(recipe.helmet_workers)
    return PhotoSet(
        crowds.train + recipe.helmet_repeats * workers.train,
        crowds.val + workers.val,
        crowds.test + workers.test,
        crowds.skipped + workers.skipped,
    )


def read_false_heads(path: str, photos: Sequence[AnnotatedPhoto]) -> list[tuple[int, NDArray[np.float64]]]:
    """False heads that `mining.mine` listed: number of the photo in `photos` and box (4,). Those of other photos are left out.

    Raises SourceError for a table that cannot be read or lacks a column, Rejected for a box that is no numbers.
    """
    numbers_of = {photo.path.name: number for number, photo in enumerate(photos)}
    rows = read_table(Path(path), ("file", *CORNERS))
    return [(numbers_of[row["file"]], np.array(numbers(row, CORNERS))) for row in rows if row["file"] in numbers_of]


def open_portraits(folders: Sequence[str]) -> list[AnnotatedPhoto]:
    """Landmarked portraits of all folders."""
    portraits: list[AnnotatedPhoto] = []
    for folder in folders:
        portraits.extend(read_portraits(folder)[0])
    return portraits
