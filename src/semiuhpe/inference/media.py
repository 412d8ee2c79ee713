"""From whatever a user has to one upright RGB picture, and from a SOURCE to the list of its pictures.

Decoding untrusted files is Pillow's job; this module decides what odd pictures mean:

- EXIF orientation is applied. Transparent pictures are laid on white. Of an animation, the first frame counts.
- CMYK, palettes and greyscale become RGB. 16-bit and float greyscale are scaled from their own range to 0..255.
- The number of pixels is checked in the header, before anything is decoded.
"""

from __future__ import annotations

import glob
import io
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFile, ImageOps, UnidentifiedImageError

from semiuhpe.errors import ImageError
from semiuhpe.geometry.crop import Image

MAX_PIXELS = 200_000_000
"""Largest picture that is decoded; beyond it a file is more likely an attack than a photo."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif", ".mpo")


def load_image(source: str | os.PathLike[str] | bytes | Any, *, max_pixels: int = MAX_PIXELS) -> Image:
    """An upright picture, (H, W, 3) uint8 RGB.

    source: a path, the bytes of a file, a PIL image, or an array: (H, W, 3) uint8 is taken as RGB, (H, W) as grey.
    Raises ImageError, in one line that names the file, for anything that is no readable picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Pillow.Image):
        return _to_rgb(source, "the picture", max_pixels)
    if isinstance(source, bytes | bytearray):
        return _decode(io.BytesIO(source), "the picture", max_pixels, len(source))
    path = Path(os.fspath(source))
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ImageError(f"{path}: is a folder, not a picture; name a file in it")
        with path.open("rb") as file:
            return _decode(file, str(path), max_pixels, size)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from error


def _from_array(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
        return array
    if array.dtype == np.uint8 and array.ndim == 2 and array.size:
        return np.repeat(array[..., None], 3, axis=2)
    raise ImageError(f"an array must be a non-empty (H, W, 3) uint8 RGB picture, got {array.shape} {array.dtype}")


def _decode(file: Any, name: str, max_pixels: int, size: int) -> Image:
    if size == 0:
        raise ImageError(f"{name}: the file is empty; copy it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the limit below is ours
            limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
            try:
                opened = Pillow.open(file)
            finally:
                Pillow.MAX_IMAGE_PIXELS = limit
            with opened:
                return _to_rgb(opened, name, max_pixels)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not a picture in a known format; give a JPEG, PNG, WebP, TIFF, GIF or BMP"
        ) from error
    except ImageError:
        raise
    except Exception as error:  # decoders raise anything from OSError to struct.error on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name}: the picture is damaged ({reason[:120]}); copy or export it again") from error


def _to_rgb(image: Pillow.Image, name: str, max_pixels: int) -> Image:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} × {height} pixels are more than the limit of {max_pixels:,}; reduce the picture first"
        )
    if getattr(image, "is_animated", False):
        image.seek(0)
    truncated, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L", "I;16N"):
        return _scaled_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Pillow.new("RGBA", image.size, (255, 255, 255, 255))
        image = Pillow.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)


def _scaled_grey(image: Pillow.Image) -> Image:
    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if image.mode.startswith("I"):
        # 16-bit files arrive as "I" or "I;16"; 65535 is their white unless they hold more.
        low, high = 0.0, 65535.0 if values.max(initial=0.0) <= 65535 else float(values.max())
    else:
        low, high = float(values.min(initial=0.0)), max(float(values.max(initial=1.0)), 1e-12)
    grey = np.clip((values - low) / max(high - low, 1e-12) * 255, 0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(p)) if p.isdigit() else (1, p) for p in parts]


def list_images(sources: Iterable[str | os.PathLike[str]], *, recursive: bool = False) -> list[Path]:
    """The picture files of SOURCEs, each once, in order; files of a folder in natural order (2 before 10).

    A source is a file (taken as it is, whatever its name), a folder (files with a picture's suffix, with `recursive`
    those of its sub-folders too), a glob pattern, or a .txt file that lists sources, one a line, relative to itself.
    Raises ImageError for a source that does not exist or matches nothing.
    """
    found: dict[Path, None] = {}
    for source in sources:
        for path in _expand(Path(os.fspath(source)), recursive):
            found.setdefault(path)
    return list(found)


def _expand(path: Path, recursive: bool) -> list[Path]:
    if path.is_dir():
        inside = path.rglob("*") if recursive else path.iterdir()
        files = sorted((p for p in inside if p.suffix.lower() in SUFFIXES and p.is_file()), key=_natural)
        if not files:
            more = "" if recursive else "; --recursive looks into its sub-folders"
            raise ImageError(f"{path}: the folder holds no pictures{more}")
        return files
    if path.is_file():
        if path.suffix.lower() != ".txt":
            return [path]
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
        return [
            f for line in lines if line and not line.startswith("#") for f in _expand(path.parent / line, recursive)
        ]
    if glob.has_magic(str(path)):
        files = sorted((Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file()), key=_natural)
        if files:
            return files
        raise ImageError(f"{path}: the pattern matches no file")
    raise ImageError(f"{path}: no such file or folder; check the path")
