"""From a rendered head to a picture as a camera takes it: others around, things in front, blur, noise, compression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.synthesis.backgrounds import procedural

Image = NDArray[np.uint8]
Sprites = Callable[[np.random.Generator], Image]
"""Draws a random cut-out person: premultiplied RGBA, square, the head in the middle, SPRITE_ZOOM times a picture's view."""

SPRITE_ZOOM = 1.6
"""How much more of a person a sprite shows than a picture does, so that its edges stay out of sight."""
_HEAD = 1 / 2.6  # side of a head over the side of a picture


def over(back: Image, front: Image) -> Image:
    """Composite premultiplied RGBA over RGB of the same size."""
    clear = cv2.merge([255 - front[..., 3]] * 3)
    return np.asarray(cv2.add(cv2.multiply(back, clear, scale=1 / 255), np.ascontiguousarray(front[..., :3])), np.uint8)


def place(sprite: Image, size: int, scale: float, x: float, y: float, angle: float, gain: NDArray[np.float64]) -> Image:
    """A square sprite, premultiplied RGBA, on a canvas of size × size: its head in the middle and as large as a picture's
    head, but scaled, turned (degrees) and moved by (x, y) pixels.
    """
    side = sprite.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, SPRITE_ZOOM * scale * size / side)
    matrix[:, 2] += [x + (size - side) / 2, y + (size - side) / 2]
    moved = cv2.warpAffine(sprite, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
    tinted = cv2.multiply(moved, np.array([*(float(g) for g in gain), 1.0]))
    alpha = cv2.merge([moved[..., 3]] * 4)
    return np.asarray(cv2.min(tinted, alpha), np.uint8)


@dataclass(frozen=True)
class Surroundings:
    """Who and what stands behind and before a head. anyone: draws a person; alike: one who looks where the head looks;
    upright: people stand in rows only then; rng: the source of chance.
    """

    anyone: Sprites
    alike: Sprites
    upright: bool
    rng: np.random.Generator

    def behind(self, back: Image) -> Image:
        """Other people in the background, never larger than the main head: a few anywhere, or rows of a class."""
        rng, size = self.rng, back.shape[0]
        if self.upright and rng.random() < 0.2:
            for row in range(int(rng.integers(1, 3)), 0, -1):  # the farthest first
                scale = 0.92 * float(rng.uniform(0.72, 0.95)) ** row
                start, step = rng.uniform(-0.6, -0.4), rng.uniform(0.75, 1.2) * scale * _HEAD
                for x in np.arange(start, 0.6, step):
                    at = (x + rng.normal(0, 0.03)) * size, (-0.16 * row + rng.normal(0, 0.04)) * size
                    back = over(back, place(self.alike(rng), size, scale, *at, rng.uniform(-8, 8), _gain(rng)))
            return back
        for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.55, 0.2, 0.15, 0.10]))):
            scale = float(rng.uniform(0.35, 1.05))
            x = float(rng.choice([-1, 1])) * rng.uniform(0.12, 0.55) * size
            y = rng.uniform(-0.35, 0.35) * size
            back = over(back, place(self.anyone(rng), size, scale, x, y, rng.uniform(-12, 12), _gain(rng)))
        return back

    def before(self, image: Image, box: tuple[float, float, float, float]) -> tuple[Image, str]:
        """With some probability a row of heads that covers the lower part, another person, or a thing at the edge.

        box: of the head, in pixels of the image. → picture and the names of what was put in front.
        """
        rng = self.rng
        side = (box[2] - box[0] + box[3] - box[1]) / 2
        names = []
        draw = rng.random()
        if self.upright and draw < 0.16:
            image = self._row(image, side)
            names.append("row")
        elif draw < 0.24:
            angle, reach = float(rng.uniform(0.1 * np.pi, 0.9 * np.pi)), rng.uniform(0.9, 1.5) * side
            at = reach * np.cos(angle), reach * np.sin(angle)
            sprite = place(
                self.anyone(rng), image.shape[0], rng.uniform(0.6, 1.4), *at, rng.uniform(-15, 15), _gain(rng)
            )
            image = over(image, sprite)
            names.append("person")
        if rng.random() < 0.06:
            image = _cover(image, box, rng)
            names.append("thing")
        return image, "+".join(names)

    def _row(self, image: Image, side: float) -> Image:
        """Heads of the row in front, larger or as large; where one stands before the head it covers up to half of it."""
        rng, size = self.rng, image.shape[0]
        middle, spread = rng.normal(0, 0.45) * side, rng.uniform(0.9, 1.4) * side
        for place_in_row in [0, -1, 1][: int(rng.integers(1, 4))]:
            scale = float(rng.uniform(0.85, 1.3))
            x = middle + place_in_row * spread
            y = (rng.uniform(0.02, 0.5) + 0.55 * scale) * side  # its crown is below the middle of the head
            image = over(image, place(self.alike(rng), size, scale, x, y, rng.uniform(-10, 10), _gain(rng)))
        return image


def _gain(rng: np.random.Generator) -> NDArray[np.float64]:
    """Exposure and colour of a sprite relative to the rest of the scene. (3,)"""
    return np.asarray(np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.05, 3)))


def _cover(image: Image, box: tuple[float, float, float, float], rng: np.random.Generator) -> Image:
    """A thing out of focus or of one piece before the edge of the head."""
    size = image.shape[0]
    side = (box[2] - box[0] + box[3] - box[1]) / 2
    mask = np.zeros((size, size), np.uint8)
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    angle = rng.uniform(0, 2 * np.pi)
    at = centre + side * rng.uniform(0.45, 0.8) * np.array([np.cos(angle), np.sin(angle)])
    extent = side * rng.uniform(0.15, 0.55, 2)
    if rng.random() < 0.5:
        points = (rng.uniform(-1, 1, (int(rng.integers(4, 8)), 2)) * extent + at).astype(np.int32)
        cv2.fillPoly(mask, [cv2.convexHull(points)], 255, cv2.LINE_AA)
    else:
        middle, axes = (int(at[0]), int(at[1])), (int(extent[0]) + 1, int(extent[1]) + 1)
        cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    if rng.random() < 0.5:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.06 * side, 0.3)), np.uint8)
    weight = mask[..., None].astype(np.float32) / 255
    return np.asarray(image * (1 - weight) + procedural(rng, size) * weight, np.uint8)


def _jpeg(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _exposed(image: Image, rng: np.random.Generator) -> Image:
    """Exposure as a camera sets it: by the light of the picture, its middle counting double, and not always well."""
    quarter = image.shape[0] // 4
    middle = image[quarter:-quarter, quarter:-quarter]
    light = (float(image.mean()) + float(middle.mean())) / 2
    wanted = np.exp(rng.normal(np.log(105.0), 0.28))
    gain = float(np.clip((wanted / max(light, 4.0)) ** rng.uniform(0.5, 0.95), 0.4, 4.0))
    return np.asarray(cv2.LUT(image, _shoulder(gain)), np.uint8)


def _shoulder(gain: float) -> NDArray[np.uint8]:
    """A table that brightens by `gain` in the shadows and rolls off before white. (1, 256)"""
    ramp = np.linspace(0, 1, 256)
    curve = ramp * gain if gain <= 1 else gain * ramp / (1 + (gain - 1) * ramp)
    return np.asarray(curve * 255 + 0.5, np.uint8)[None]


def _tone(image: Image, rng: np.random.Generator) -> Image:
    """White balance, exposure, contrast, gamma and saturation, as one lookup a channel and one mix."""
    ramp = np.linspace(0, 1, 256)[:, None]
    gain = np.exp(rng.normal(0, 0.10)) * np.exp(rng.normal(0, 0.05, 3))
    curve = np.clip(ramp * gain, 0, 1) ** np.exp(rng.normal(0, 0.18))
    contrast = np.exp(rng.normal(0.15, 0.17))
    curve = np.clip((curve - 0.45) * contrast + 0.45 + rng.normal(0.0, 0.04), 0, 1)
    table = np.asarray(curve * 255 + 0.5, np.uint8)[None]
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    saturation = 0.0 if rng.random() < 0.05 else float(np.clip(rng.normal(0.87, 0.25), 0.2, 1.6))
    mean = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * np.ones((3, 1)) * mean
    return np.asarray(cv2.transform(image, mix).clip(0, 255), np.uint8)


def apparent_size(head_share: float, size: int, rng: np.random.Generator) -> int:
    """Side in pixels at which the scene is sampled before it is enlarged to `size`.

    head_share: head side over picture side. The head then spans 18 px or more, log-uniform; three pictures in ten are
    as sharp as their size allows.
    """
    if rng.random() < 0.3:
        return size
    head = head_share * size
    apparent = np.exp(rng.uniform(np.log(18.0), np.log(max(head, 19.0) * 1.1)))
    return int(np.clip(round(size * apparent / head), 24, size))


def photograph(image: Image, small: int, size: int, rng: np.random.Generator) -> Image:
    """What optics, sensor, distance and compression do to a clean picture of any side → (size, size, 3).

    small: the side at which the sensor samples (`apparent_size`), before the enlargement to `size`.
    """
    image = _tone(_exposed(image, rng), rng)
    blur = (
        float(rng.choice([0.0, rng.uniform(0.4, 1.2), rng.uniform(1.2, 3.0)], p=[0.5, 0.38, 0.12]))
        * image.shape[0]
        / 256
    )
    if blur > 0.15:
        image = _blur(image, blur, rng)
    if small < image.shape[0]:
        image = np.asarray(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.7:
        sigma = float(rng.exponential(3.2))
        noise = rng.standard_normal((*image.shape[:2], 1 if rng.random() < 0.4 else 3), dtype=np.float32) * sigma
        if rng.random() < 0.3:
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.7), np.float32).reshape(noise.shape) * 1.8
        image = np.asarray((image + noise).clip(0, 255), np.uint8)
    if rng.random() < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), 1.0)
        image = np.asarray(cv2.addWeighted(image, 1.6, soft, -0.6, 0), np.uint8)
    if rng.random() < 0.7:
        image = _jpeg(image, int(rng.integers(35, 96)))
    if image.shape[0] != size:
        way = cv2.INTER_CUBIC if rng.random() < 0.33 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (size, size), interpolation=way), np.uint8)
    return image


def _blur(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Out of focus, or one time in four smeared along a line."""
    if rng.random() >= 0.25:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    length = max(3, int(sigma * 4) | 1)
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0 / length
    turned = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), float(rng.uniform(0, 180)), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turned, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-6)), np.uint8)
