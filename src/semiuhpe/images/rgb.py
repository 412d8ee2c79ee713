"""From whatever colours a picture has to upright 8-bit RGB, a strip of rows at a time.

Pillow holds a decoded picture once; a conversion of the whole would hold it two or three times more. So each strip is
converted by itself, and next to Pillow's picture there is only the result: three bytes a pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as Pillow

from semiuhpe.geometry.crop import Image

_LOG = logging.getLogger(__name__)
_STRIP_PIXELS = 1 << 20
_GREY_RANGES = (255, 1023, 4095, 16383, 65535)
_TURNS: dict[int, Callable[[Image], Image]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
"""What makes a picture upright, by the number of its EXIF orientation."""
TURNED = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def upright_rgb(image: Pillow.Image) -> Image:
    """A decoded picture as (H, W, 3) uint8 RGB, turned as its EXIF says.

    Transparency is laid on white. White of 16-bit greyscale is the end of the smallest of the ranges of 8, 10, 12, 14
    and 16 bits that holds the picture; float greyscale is scaled from 0..1, or from its own range where that is wider.
    """
    convert = _converter(image)
    width, height = image.size
    rgb = np.empty((height, width, 3), dtype=np.uint8)
    for top, strip in _strips(image):
        rgb[top : top + strip.height] = convert(strip)
    turn = _TURNS.get(orientation_of(image))
    return rgb if turn is None else np.ascontiguousarray(turn(rgb))


def _strips(image: Pillow.Image) -> Iterator[tuple[int, Pillow.Image]]:
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _converter(image: Pillow.Image) -> Callable[[Pillow.Image], Image]:
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L", "I;16N"):
        low, high = _grey_range(image)
        return lambda strip: _scaled_grey(strip, low, high)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white
    return lambda strip: np.asarray(strip.convert("RGB"), dtype=np.uint8)


def _on_white(strip: Pillow.Image) -> Image:
    strip = strip.convert("RGBA")
    white = Pillow.new("RGBA", strip.size, (255, 255, 255, 255))
    return np.asarray(Pillow.alpha_composite(white, strip).convert("RGB"), dtype=np.uint8)


def _grey_range(image: Pillow.Image) -> tuple[float, float]:
    """The values of black and white."""
    ends = [(float(values.min(initial=0.0)), float(values.max(initial=0.0))) for values in _values(image)]
    low, brightest = min(low for low, _ in ends), max(high for _, high in ends)
    if image.mode.startswith("I"):
        # 16-bit files arrive as "I" or "I;16", and many cameras fill only the lower 10, 12 or 14 of the bits.
        return low, float(next((white for white in _GREY_RANGES if brightest <= white), brightest))
    return low, max(brightest, 1.0)


def _values(image: Pillow.Image) -> Iterator[NDArray[np.float64]]:
    for _, strip in _strips(image):
        yield np.nan_to_num(np.asarray(strip).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _scaled_grey(strip: Pillow.Image, low: float, high: float) -> Image:
    (values,) = _values(strip)
    grey = np.clip((values - low) / max(high - low, 1e-12) * 255, 0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def orientation_of(image: Pillow.Image) -> int:
    """A picture's EXIF orientation, 1 to 8; 1 where it is upright, or damaged EXIF does not tell.

    HEIC says twice how it is turned, and its reader has turned it already.
    """
    if image.format == "HEIF":
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception as error:  # damaged EXIF says nothing about which way is up; the pixels are fine
        _LOG.debug("the EXIF of a picture is damaged: %r", error)
        return 1
