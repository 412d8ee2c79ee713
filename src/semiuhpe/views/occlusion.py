"""Augmentation by occlusion: cut-out, then cut-mix within the batch (the paper's "CutOcc"); and photos that end.

Both keep the label: what is hidden or pasted in, from another head of the batch, is something in front of the head.
Holes follow the paper: three per head, centers from a normal distribution about the middle, half sides of 10 to 19
pixels at 224.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
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
    """Draw rectangles, clipped to the picture.

    Args:
        size: pixels a side of the picture.
        rng: the source of all randomness.
        holes: how many.

    Returns:
        (holes, 4) int64 x1, y1, x2, y2 pixels.
    """
    center = rng.normal(0.5, SPREAD, (holes, 2)) * size
    half = rng.uniform(*HALF_SIDE, (holes, 2)) * size
    corners = np.concatenate([center - half, center + half], axis=1)
    return np.asarray(np.clip(np.rint(corners), 0, size), dtype=np.int64)


def cut_out(image: Image, rng: np.random.Generator, holes: int = HOLES) -> Image:
    """A copy with holes of the mean colour.

    Args:
        image: (S, S, 3) uint8.
        rng: the source of all randomness.
        holes: how many.

    Returns:
        (S, S, 3) uint8.
    """
    out = image.copy()
    for x1, y1, x2, y2 in draw_holes(image.shape[0], rng, holes):
        out[y1:y2, x1:x2] = PAD_COLOUR
    return out


def end_photo(image: Image, rng: np.random.Generator) -> Image:
    """A copy in which the photo ends inside the crop on one to four sides.

    As for a head at a photo's border or a crop that was cut tightly: what lies beyond is padded as
    `semiuhpe.geometry.crop` pads it.

    Args:
        image: (S, S, 3) uint8.
        rng: the source of all randomness.

    Returns:
        (S, S, 3) uint8.
    """
    size = image.shape[0]
    ends = rng.random(4) < (0.3 if rng.random() < 0.6 else 0.9)
    depth = np.rint(ends * DEEPEST_END * size * rng.random(4) ** 1.5).astype(int).tolist()
    top, bottom, left, right = depth
    rest = image[top : size - bottom, left : size - right]
    ended = cv2.copyMakeBorder(
        rest, top, bottom, left, right, cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED, value=PAD_COLOUR
    )
    return np.asarray(ended, dtype=np.uint8)


@dataclass(frozen=True)
class MixPlan:
    """What cut-mix pastes: picture i gets the rectangles `holes[i]` of picture `donors[i]`.

    Attributes:
        donors: (n,) int64.
        holes: (n, k, 4) int64 x1, y1, x2, y2 pixels.
    """

    donors: Boxes
    holes: Boxes


def plan_mix(count: int, size: int, rng: np.random.Generator, holes: int = HOLES) -> MixPlan:
    """Draw the cut-mix of a batch.

    Args:
        count: pictures in it.
        size: pixels a side of each.
        rng: the source of all randomness.
        holes: how many in each picture.

    Returns:
        The plan.
    """
    donors = rng.permutation(count)
    return MixPlan(donors, np.array([draw_holes(size, rng, holes) for _ in donors]).reshape(count, holes, 4))


def cut_patches(images: Image, first: int, plan: MixPlan) -> Image:
    """What some pictures give away: patches[i, k] is cut from picture first + i for the one that it is the donor of.

    Args:
        images: (m, S, S, 3) uint8, those from number `first` on.
        first: number of the first of them in the batch.
        plan: of the whole batch.

    Returns:
        (m, k, P, P, 3) uint8, each patch in the upper left of a square that any patch fits in.
    """
    size, holes = images.shape[1], plan.holes.shape[1]
    side = int(np.ceil(2 * HALF_SIDE[1] * size)) + 1
    patches = np.zeros((len(images), holes, side, side, 3), np.uint8)
    receiver = np.argsort(plan.donors)
    for place, image in enumerate(images):
        for number, (x1, y1, x2, y2) in enumerate(plan.holes[receiver[first + place]]):
            patches[place, number, : y2 - y1, : x2 - x1] = image[y1:y2, x1:x2]
    return patches


def paste_patches(images: Image, first: int, plan: MixPlan, patches: Image) -> Image:
    """Copies of some pictures with what their donors gave.

    Args:
        images: (m, S, S, 3) uint8, those from number `first` on.
        first: number of the first of them in the batch.
        plan: of the whole batch.
        patches: those of all pictures, as of `cut_patches`.

    Returns:
        (m, S, S, 3) uint8.
    """
    out = images.copy()
    for place in range(len(images)):
        given = patches[plan.donors[first + place]]
        for (x1, y1, x2, y2), patch in zip(plan.holes[first + place], given, strict=True):
            out[place, y1:y2, x1:x2] = patch[: y2 - y1, : x2 - x1]
    return out


def cut_mix(images: Image, rng: np.random.Generator, holes: int = HOLES) -> Image:
    """Copies in which each picture has patches, at the same places, of another picture of the batch.

    Args:
        images: (n, S, S, 3) uint8.
        rng: the source of all randomness.
        holes: how many in each picture.

    Returns:
        (n, S, S, 3) uint8.
    """
    plan = plan_mix(len(images), images.shape[1], rng, holes)
    return paste_patches(images, 0, plan, cut_patches(images, 0, plan))
