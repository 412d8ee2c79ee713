"""One warp: a view of a head is one affine draw from its stored context crop, and the label moves with it.

crop ∘ shift ∘ scale ∘ rotate ∘ flip are multiplied into one matrix, so pixels are resampled once, and the
context around the head fills the corners: no black wedge tells a network by how much the picture was turned. Where a
photo gave less context than a view turned by any angle shows, its own mirror images continue it, for the same reason.
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

    scale: factors on the crop side (log-uniform). shift: largest shift of the center, in crop sides (uniform, each
    axis). rotation: largest in-plane turn, radians (uniform, both ways). flip: probability of a mirror image.
    any_rotation: probability that the turn is by any angle instead, uniform within ±π. reflect: every view continues the
    picture by its mirror images, and not only those turned by any angle: for photos that are cut tightly around heads.
    resized_crop: the crop is a window inside the square of scale 1, as torchvision's `RandomResizedCrop` draws it: its
    area is uniform between the squares of `scale` (1 at most), and it lies anywhere within; `shift` must be 0.
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
    """One drawn view: flip first, then turn by `rotation` (counter-clockwise as seen), shift and scale the crop.

    reflect: the context crop is continued by its mirror images; else what lies outside is padded, as inference pads it.
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
    """A generator that depends on the key alone, e.g. (seed, epoch, record, view): any sample can be made again."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def draw_view(ranges: ViewRange, rng: np.random.Generator) -> View:
    """Draw a view. Consumes the same five numbers whatever the ranges, so that ranges do not shift later draws."""
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
    """Affine matrix view←context crop, (2, 3), continuous coordinates; see `semiuhpe.geometry.crop`."""
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
    """By how much smaller, 1, 2, 4 or 8, a context crop may be decoded for views of it: only where `draw` would average
    blocks of pixels that are a multiple of it anyway.
    """
    blocks = math.gcd(*(block_factor(view_matrix(box, view, size, margin)) for view in views))
    return math.gcd(blocks, 8)


def draw(image: Image, box: tuple[float, float, float, float], view: View, size: int, margin: float = MARGIN) -> Image:
    """The picture of a view. image (H, W, 3) uint8 context crop → (size, size, 3) uint8."""
    return warp(image, view_matrix(box, view, size, margin), size, reflect=view.reflect)


def turn_label(rotation: Float, view: View) -> Float:
    """The label of a view: `Q(θ)·(M·R·M)`. Works for a pose and for a matrix Fisher parameter. (..., 3, 3)."""
    if view.flip:
        rotation = mirror(rotation)
    return np.asarray(image_rotation(view.rotation) @ rotation)
