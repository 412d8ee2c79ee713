"""Cut-occlusion (the paper's "CutOcc"): cut-out, then cut-mix with another head of the batch. And photos that end.

Both keep the label: what is hidden or pasted in is something in front of the head. Holes follow the paper:
three a head, centres from a normal distribution about the middle, half sides of 10 to 19 pixels at 224.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.crop import PAD_COLOUR, Image

HOLES = 3
HALF_SIDE = (10 / 224, 19 / 224)
SPREAD = 37.3 / 224
DEEPEST_END = 0.28
"""How far into the crop the border of a photo may reach, as a share of the crop's side."""

Boxes = NDArray[np.int64]


def draw_holes(size: int, rng: np.random.Generator, holes: int = HOLES) -> Boxes:
    """Rectangles x1, y1, x2, y2 in pixels, clipped to the picture. → (holes, 4) int64."""
    centre = rng.normal(0.5, SPREAD, (holes, 2)) * size
    half = rng.uniform(*HALF_SIDE, (holes, 2)) * size
    corners = np.concatenate([centre - half, centre + half], axis=1)
    return np.asarray(np.clip(np.rint(corners), 0, size), dtype=np.int64)


def cut_out(image: Image, rng: np.random.Generator, holes: int = HOLES) -> Image:
    """A copy with holes of the mean colour. image (S, S, 3) uint8."""
    out = image.copy()
    for x1, y1, x2, y2 in draw_holes(image.shape[0], rng, holes):
        out[y1:y2, x1:x2] = PAD_COLOUR
    return out


def end_photo(image: Image, rng: np.random.Generator) -> Image:
    """A copy in which the photo ends inside the crop on one to four sides, as for a head at a photo's border or a crop
    that was cut tightly: what lies beyond is padded as `semiuhpe.geometry.crop` pads it. image (S, S, 3) uint8.
    """
    size = image.shape[0]
    ends = rng.random(4) < rng.choice([0.3, 0.9], p=[0.6, 0.4])
    depth = np.rint(ends * DEEPEST_END * size * rng.random(4) ** 1.5).astype(int)
    top, bottom, left, right = depth[0], size - depth[1], depth[2], size - depth[3]
    out = np.full_like(image, PAD_COLOUR)
    out[top:bottom, left:right] = image[top:bottom, left:right]
    return out


def cut_mix(images: Image, rng: np.random.Generator, holes: int = HOLES) -> Image:
    """Each picture gets patches, at the same places, of another picture of the batch. images (n, S, S, 3) uint8."""
    out = images.copy()
    donors = rng.permutation(len(images))
    for index, donor in enumerate(donors):
        for x1, y1, x2, y2 in draw_holes(images.shape[1], rng, holes):
            out[index, y1:y2, x1:x2] = images[donor, y1:y2, x1:x2]
    return out
