"""The picture of a head at rest: what is cut out of a photo, how much around the head, and how it is encoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import ImageError, Rejected, SourceError
from semiuhpe.geometry.crop import Image
from semiuhpe.heads.context import context_crop, encode_jpeg
from semiuhpe.images.load import image_size_of, load_image

PICTURES = (".jpg", ".jpeg", ".png")


Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright picture."""


class Picture:
    """A picture file that is read and decoded once, when first needed, however many heads are cut out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file. Raises ImageError if there are none."""
        try:
            content = self.path.read_bytes() if self.path.is_file() else b""
        except OSError as error:
            raise ImageError(f"{self.path}: cannot be read ({error.strerror or error}); check the file") from error
        if not content:
            raise ImageError(f"{self.path}: missing or empty; unpack the data set again")
        return content

    @cached_property
    def image(self) -> Image:
        """The upright picture, (H, W, 3) uint8 RGB. Raises ImageError."""
        try:
            return load_image(self.content)
        except ImageError as error:
            name = str(self.path)
            raise error if str(error).startswith(name) else ImageError(f"{name}: {error}") from error

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture, from its header: no pixel is decoded. Raises ImageError."""
        return image_size_of(self.path)

    def context(self, box: ArrayLike) -> tuple[bytes, Box]:
        """Encoded context crop of a head with `box`, and the head's box there.

        A JPEG that is all context already is kept byte for byte. Raises ImageError or Rejected.
        """
        try:
            crop, inside = context_crop(self.image, box)
        except Rejected as error:
            raise Rejected(error.kind, f"{self.path}: {error}") from error
        encoded = self.content if crop.shape == self.image.shape and self._is_plain() else encode_jpeg(crop)
        return encoded, (float(inside[0]), float(inside[1]), float(inside[2]), float(inside[3]))

    def _is_plain(self) -> bool:
        """Whether a plain decoder sees the same pixels: an EXIF turn or a CMYK palette would differ."""
        if self.content[:2] != b"\xff\xd8" or b"Exif" in self.content[:64]:
            return False
        plain = cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_COLOR_RGB)
        return plain is not None and plain.shape == self.image.shape


def read_context(path: Path, box: ArrayLike) -> tuple[bytes, Box]:
    """`Picture.context` of one head of a picture file. Raises ImageError or Rejected."""
    return Picture(path).context(box)


def find_pictures(root: Path, suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".png")) -> Iterator[Path]:
    """Picture files below a folder, sorted by relative path. Raises SourceError if the folder does not exist."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder; unpack the data set and name its folder")
    yield from sorted(path for path in root.rglob("*") if path.suffix.lower() in suffixes)


def find_file(root: Path, name: str, places: Iterable[str] = (".", "annotations", "Annotations")) -> Path | None:
    """The file of that name in the first of the places (relative to root) that has it, or None."""
    return next((root / place / name for place in places if (root / place / name).is_file()), None)


def need_folder(root: Path) -> Path:
    """The folder itself. Raises SourceError if it is none."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder; unpack the data set and name its folder")
    return root


def index_pictures(root: Path, places: Iterable[str]) -> dict[str, Path]:
    """Stem → path of the picture files that lie directly in the places (glob patterns, relative to root)."""
    found: dict[str, Path] = {}
    for place in places:
        for folder in sorted(root.glob(place)):
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    stem, suffix = os.path.splitext(entry.name)
                    if suffix.lower() in PICTURES:
                        found.setdefault(stem, Path(entry.path))
    return found
