"""Geometric augmentation in one warp: a view is one affine draw from a head's context crop; the label moves with it.

crop ∘ shift ∘ scale ∘ rotate ∘ flip are multiplied into one matrix, so pixels are resampled once, and the context
around the head fills the corners: no black wedge tells a network by how much the picture was turned. Where a photo gave
less context than a view turned by any angle shows, its own mirror images continue it, for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semiuhpe.geometry.crop import MARGIN, Float, Image, block_factor, crop_square, warp
from semiuhpe.geometry.rotation import image_rotation, mirror


@dataclass(frozen=True)
class ViewRange:
    """From where views are drawn.

    Attributes:
        scale: factors on the crop side (log-uniform).
        shift: largest shift of the center, in crop sides (uniform, each axis).
        rotation: largest in-plane turn, radians (uniform, both ways).
        flip: probability of a mirror image.
        any_rotation: probability that the turn is by any angle instead, uniform within ±π.
        resized_crop: the crop is a window inside the square of scale 1, as torchvision's `RandomResizedCrop` draws it:
            its area is uniform between the squares of `scale` (1 at most), and it lies anywhere within; `shift` must be
            0.
        reflect: every view continues the picture by its mirror images, and not only those turned by any angle: for
            photos that are cut tightly around heads.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    rotation: float = 0.0
    flip: float = 0.0
    any_rotation: float = 0.0
    resized_crop: bool = False
    reflect: bool = False


@dataclass(frozen=True)
class View:
    """One drawn view: flip first, then turn, shift and scale the crop.

    Attributes:
        scale: factor on the crop side.
        shift_x: of the center to the right, in crop sides.
        shift_y: of the center downwards, in crop sides.
        rotation: in-plane turn, counter-clockwise as seen, radians.
        flip: the mirror image.
        reflect: the context crop is continued by its mirror images; else what lies outside is padded, as inference pads
            it.
    """

    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    rotation: float = 0.0
    flip: bool = False
    reflect: bool = False


CANONICAL = View()
"""The view that inference takes."""


def keyed_generator(*key: int) -> np.random.Generator:
    """A generator that depends on the key alone: any sample can be made again.

    Args:
        key: e.g. (seed, epoch, record, view).

    Returns:
        The generator.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def draw_view(ranges: ViewRange, rng: np.random.Generator) -> View:
    """Draw a view. Consumes the same five numbers whatever the ranges, so that ranges do not shift later draws.

    Args:
        ranges: from where.
        rng: the source of all randomness.

    Returns:
        The view.
    """
    scale, shift_x, shift_y, rotation, flip = rng.random(5).tolist()
    low, high = ranges.scale
    turn, by_any = _turn(ranges, rotation)
    factor, shift = low * (high / low) ** scale, ranges.shift
    if ranges.resized_crop:
        factor = math.sqrt(low**2 + (high**2 - low**2) * scale)
        shift = (1 / factor - 1) / 2  # in sides of the window, which then touches the border of the square
    return View(
        scale=factor,
        shift_x=(2 * shift_x - 1) * shift,
        shift_y=(2 * shift_y - 1) * shift,
        rotation=turn,
        flip=flip < ranges.flip,
        reflect=by_any or ranges.reflect,
    )


def _turn(ranges: ViewRange, number: float) -> tuple[float, bool]:
    """The in-plane turn, and whether it is by any angle; one number in [0, 1) says both."""
    if number < ranges.any_rotation:
        return (2 * number / ranges.any_rotation - 1) * math.pi, True
    rest = (number - ranges.any_rotation) / (1 - ranges.any_rotation)
    return (2 * rest - 1) * ranges.rotation, False


def view_matrix(box: tuple[float, float, float, float], view: View, size: int, margin: float = MARGIN) -> Float:
    """The affine matrix of a view; see `semiuhpe.geometry.crop`.

    Args:
        box: x1, y1, x2, y2 of the head, pixels of the context crop.
        view: of it.
        size: pixels a side of the view's picture.
        margin: crop side over head box side.

    Returns:
        (2, 3) view←context crop, continuous coordinates in pixels.
    """
    center_x, center_y, side = crop_square(box, margin)
    scale = size / (side * view.scale)
    # Image y points down: a counter-clockwise turn as seen has the upper-left block of Q(θ), [[cos, sin], [−sin, cos]].
    cos, sin = scale * math.cos(view.rotation), scale * math.sin(view.rotation)
    across = -1.0 if view.flip else 1.0
    x = (0.5 - view.shift_x) * size - (across * cos * center_x + sin * center_y)
    y = (0.5 - view.shift_y) * size - (cos * center_y - across * sin * center_x)
    return np.array([[across * cos, sin, x], [-across * sin, cos, y]])


def decode_factor(
    box: tuple[float, float, float, float], views: Sequence[View], size: int, margin: float = MARGIN
) -> int:
    """By how much smaller a context crop may be decoded for views of it.

    Only where `draw` would average blocks of pixels that are a multiple of it anyway.

    Args:
        box: x1, y1, x2, y2 of the head, pixels of the context crop.
        views: all that are to be drawn.
        size: pixels a side of their pictures.
        margin: crop side over head box side.

    Returns:
        1, 2, 4 or 8.
    """
    blocks = math.gcd(*(block_factor(view_matrix(box, view, size, margin)) for view in views))
    return math.gcd(blocks, 8)


def draw(image: Image, box: tuple[float, float, float, float], view: View, size: int, margin: float = MARGIN) -> Image:
    """Draw the picture of a view.

    Args:
        image: (H, W, 3) uint8 context crop.
        box: x1, y1, x2, y2 of the head in it, pixels.
        view: what is drawn.
        size: pixels a side of the picture.
        margin: crop side over head box side.

    Returns:
        (size, size, 3) uint8.
    """
    return warp(image, view_matrix(box, view, size, margin), size, reflect=view.reflect)


def turn_label(rotation: Float, view: View) -> Float:
    """The label of a view: `Q(θ)·(M·R·M)`, the mirror only where the view is flipped.

    Args:
        rotation: (..., 3, 3) pose or matrix Fisher parameter, camera←head.
        view: the view.

    Returns:
        (..., 3, 3) camera of the view←head.
    """
    if view.flip:
        rotation = mirror(rotation)
    return np.asarray(image_rotation(view.rotation) @ rotation)
