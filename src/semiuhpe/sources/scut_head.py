"""SCUT-HEAD: photos with every visible head's box, as VOC XML (Peng et al. 2018).

A folder holds `JPEGImages/*.jpg` and `Annotations/*.xml`. PartA is frames of classrooms, PartB pictures from the
web. The same photo is there under several numbers, and the frames of one room are scattered over all of them, so photos
are split by what they show (see `photo_splits`).
"""

from __future__ import annotations

import hashlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError, ImageError
from semiuhpe.geometry.crop import Image
from semiuhpe.sources.apart import photo_appearances
from semiuhpe.sources.photo_splits import groups_by_content, split_groups
from semiuhpe.sources.split_by import SplitBy

TEST_SHARE = 0.17
VAL_SHARE = 0.06


_NUMBER_TEST_SHARE = 0.15
_ROOM_FRAMES = 50  # PartA photos whose numbers share this block stayed in one split


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


def split_by_number(name: str, forced_test: Collection[str] = ()) -> str:
    """ "train", "val" or "test" for a photo's name, by its hash or its block's; what is in `forced_test` is test.

    The split of earlier releases. It parts the copies of a photo: 18 of its 333 test photos correlate above 0.97 with one
    it trains on.
    """
    if name in forced_test:
        return "test"
    frame = re.fullmatch(r"PartA_(\d+)", name)
    key = f"PartA-room-{int(frame[1]) // _ROOM_FRAMES}" if frame else name
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if number < _NUMBER_TEST_SHARE:
        return "test"
    return "val" if number < _NUMBER_TEST_SHARE + VAL_SHARE else "train"


def whole_groups(splits: Mapping[str, str], groups: Mapping[str, str], forced_test: Collection[str]) -> dict[str, str]:
    """Splits (name → split) made whole: a group of photos goes to train if one of it is there, else to val, else to test.

    One that holds a photo of `forced_test` is test, or in no split ("") if a part of it was trained on.
    """
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, []).append(name)
    whole: dict[str, str] = {}
    for names in members.values():
        present = {splits[name] for name in names if name in splits}
        chosen = next((split for split in ("train", "val") if split in present), "test")
        if not set(forced_test).isdisjoint(names):
            chosen = "" if "train" in present else "test"
        whole |= dict.fromkeys(names, chosen)
    return whole


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


def read_scut_head(
    folder: str | os.PathLike[str], forced_test: Collection[str] = (), split_by: SplitBy = "content"
) -> PhotoSet:
    """Read a SCUT-HEAD folder.

    forced_test: photo names (without suffix) that other evaluations use and that training must not see, nor what shows
    the same. A photo without annotation, or with a malformed one, is skipped and listed. Names that are
    not among the photos do no harm. Raises AssetsError if the folder holds no usable photo.
    """
    root = Path(folder)
    images = sorted((root / "JPEGImages").glob("*.jpg"))
    if not images:
        raise AssetsError(f"{root}: no SCUT-HEAD here; expected JPEGImages/*.jpg and Annotations/*.xml")
    photos: list[AnnotatedPhoto] = []
    skipped: list[str] = []
    for path in images:
        try:
            photos.append(AnnotatedPhoto(path, read_voc_boxes(root / "Annotations" / f"{path.stem}.xml")))
        except AssetsError as error:
            skipped.append(str(error))
    if not photos:
        raise AssetsError(f"{root}: all {len(images)} photos were skipped, e.g. {skipped[0]}")
    parts: dict[str, list[AnnotatedPhoto]] = {"train": [], "val": [], "test": []}
    by_number = {photo.name: split_by_number(photo.name, forced_test) for photo in photos}
    if split_by == "number":
        splits = by_number
    else:
        groups = groups_by_content(photo_appearances(images))
        if split_by == "content":
            splits = split_groups(groups, val=VAL_SHARE, test=TEST_SHARE, forced_test=forced_test)
        else:
            splits = whole_groups(by_number, groups, forced_test)
    for photo in photos:
        split = splits.get(photo.name, "train")
        if split in parts:
            parts[split].append(photo)
        else:
            skipped.append(f"{photo.path}: shows what is both in train and in another evaluation")
    return PhotoSet(parts["train"], parts["val"], parts["test"], skipped)
