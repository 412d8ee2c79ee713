"""What surrounds a head at rest: the context crop that a store keeps, and how it is encoded."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import ImageError, Rejected
from semiuhpe.geometry.crop import Float, Image, crop_square

CONTEXT = 2.0
"""Side of the stored picture over the side of the crop."""

LONGEST = 512
"""Longest side of a stored picture, pixels; larger ones are area-averaged down to it."""

QUALITY = 95


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
