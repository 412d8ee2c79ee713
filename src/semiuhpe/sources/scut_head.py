"""SCUT-HEAD: photos with every visible head's box, as VOC XML (Peng et al. 2018).

A folder holds `JPEGImages/*.jpg` and `Annotations/*.xml`. PartA is frames of classrooms, PartB pictures from the
web. Splits are drawn from a hash of the photo's name, so they do not depend on which other photos are there;
neighbouring frames of PartA show the same room and share their fate.
"""

from __future__ import annotations

import hashlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, ImageError
from semiuhpe.geometry.crop import Image

TEST_SHARE = 0.15
VAL_SHARE = 0.06
ROOM_FRAMES = 50
"""PartA photos whose numbers share this block stay in one split."""


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo with the boxes of all its heads. boxes: (n, 4) float64 x1, y1, x2, y2 in its pixels; n may be 0."""

    path: Path
    boxes: NDArray[np.float64]

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.path.stem

    def image(self) -> Image:
        """The pixels, (H, W, 3) uint8 RGB. Raises ImageError if the file cannot be decoded."""
        try:
            content = np.fromfile(self.path, np.uint8)
        except OSError as error:
            raise ImageError(f"{self.path}: cannot be read ({error.strerror or error})") from error
        image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
        if image is None:
            raise ImageError(f"{self.path}: not a picture that can be decoded")
        return np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True)
class PhotoSet:
    """The photos of each split, by name, and what was left out and why ("FILE: reason")."""

    train: list[AnnotatedPhoto]
    val: list[AnnotatedPhoto]
    test: list[AnnotatedPhoto]
    skipped: list[str] = field(default_factory=list)


def split_of(name: str, forced_test: Collection[str] = ()) -> str:
    """ "train", "val" or "test" for a photo's name; what is in `forced_test` is test."""
    if name in forced_test:
        return "test"
    frame = re.fullmatch(r"PartA_(\d+)", name)
    key = f"PartA-room-{int(frame[1]) // ROOM_FRAMES}" if frame else name
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if number < TEST_SHARE:
        return "test"
    return "val" if number < TEST_SHARE + VAL_SHARE else "train"


def read_voc_boxes(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Boxes of a VOC annotation. → (n, 4) float64; boxes without area are dropped.

    Raises AssetsError for a file that is missing, not XML, or has an object without a finite box.
    """
    try:
        root = ET.parse(path).getroot()
        rows = [
            [float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            for thing in root.iter("object")
        ]
    except (OSError, ET.ParseError, ValueError) as error:
        raise AssetsError(f"{path}: not a VOC annotation ({error})") from error
    boxes = np.array(rows, dtype=np.float64).reshape(-1, 4)
    if not np.all(np.isfinite(boxes)):
        raise AssetsError(f"{path}: a box is not finite")
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def read_scut_head(folder: str | os.PathLike[str], forced_test: Collection[str] = ()) -> PhotoSet:
    """Read a SCUT-HEAD folder.

    forced_test: photo names (without suffix) that other evaluations use and that training must not see.
    A photo without annotation, or with a malformed one, is skipped and listed. Names that are
    not among the photos do no harm. Raises AssetsError if the folder holds no usable photo.
    """
    root = Path(folder)
    images = sorted((root / "JPEGImages").glob("*.jpg"))
    if not images:
        raise AssetsError(f"{root}: no SCUT-HEAD here; expected JPEGImages/*.jpg and Annotations/*.xml")
    parts: dict[str, list[AnnotatedPhoto]] = {"train": [], "val": [], "test": []}
    skipped: list[str] = []
    for path in images:
        try:
            photo = AnnotatedPhoto(path, read_voc_boxes(root / "Annotations" / f"{path.stem}.xml"))
        except AssetsError as error:
            skipped.append(str(error))
            continue
        parts[split_of(path.stem, forced_test)].append(photo)
    if not any(parts.values()):
        raise AssetsError(f"{root}: all {len(images)} photos were skipped, e.g. {skipped[0]}")
    return PhotoSet(parts["train"], parts["val"], parts["test"], skipped)
