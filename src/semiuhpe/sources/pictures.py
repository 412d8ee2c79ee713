"""The picture of a head at rest: what is cut out of a photo, how much around the head, and how it is encoded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import ImageError, SourceError
from semiuhpe.geometry.crop import Float, Image, crop_square
from semiuhpe.inference.media import image_size_of, load_image

CONTEXT = 2.0
"""Side of the stored picture over the side of the crop."""

LONGEST = 512
"""Longest side of a stored picture, pixels; larger ones are area-averaged down to it."""

QUALITY = 95

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright picture."""


class Rejected(SourceError):
    """One head that is left out. kind: a word to count by; the message names the file and the reason."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class FilteredOut(Rejected):
    """A sound head that the import was told to leave out (too small, a depiction, ...): counted, but not listed."""


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


def context_crop(image: Image, box: ArrayLike) -> tuple[Image, Float]:
    """The part of a picture within `CONTEXT` × the crop square of a head, and the head's box in it.

    image (H, W, 3) uint8, box x1, y1, x2, y2 → (h, w, 3) uint8 of whole source pixels (shrunk if longer than
    `LONGEST`) and (4,) float64. What lies outside the photo is not invented. Raises Rejected if the head does.
    """
    box = np.asarray(box, dtype=np.float64)
    try:
        x, y, side = crop_square(box)
    except ValueError as error:
        raise Rejected("box", str(error)) from error
    height, width = image.shape[:2]
    half = CONTEXT * side / 2
    x1, y1 = max(0, int(np.floor(x - half))), max(0, int(np.floor(y - half)))
    x2, y2 = min(width, int(np.ceil(x + half))), min(height, int(np.ceil(y + half)))
    if x2 - x1 < 2 or y2 - y1 < 2 or min(box[2], width) <= max(box[0], 0) or min(box[3], height) <= max(box[1], 0):
        raise Rejected("box", f"the head box {box.round(1).tolist()} lies outside the {width} × {height} picture")
    crop = image[y1:y2, x1:x2]
    inside = box - [x1, y1, x1, y1]
    factor = LONGEST / max(crop.shape[:2])
    if factor < 1:
        size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
        inside = inside * np.tile([size[0] / crop.shape[1], size[1] / crop.shape[0]], 2)
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return crop, inside


def encode_jpeg(image: Image, quality: int = QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB → the bytes of a JPEG without chroma subsampling."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ImageError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def read_context(path: Path, box: ArrayLike) -> tuple[bytes, Box]:
    """`Picture.context` of one head of a picture file. Raises ImageError or Rejected."""
    return Picture(path).context(box)


def find_pictures(root: Path, suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".png")) -> Iterator[Path]:
    """Picture files below a folder, sorted by relative path. Raises SourceError if the folder does not exist."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder; unpack the data set and name its folder")
    yield from sorted(path for path in root.rglob("*") if path.suffix.lower() in suffixes)
