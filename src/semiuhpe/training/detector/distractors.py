"""Round things that are no heads: buttons, balls, wheels, coins and knobs, drawn procedurally.

What a detector of small heads knows of a head is little more than something round on something broad. Photos with all their
heads boxed hold few buttons, and none so near that it is as large as a head far away.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import Float

_SMALLEST, _LARGEST = 8.0, 72.0  # pixels across
_DRAWN = 96  # pixels, then made as small as it shall be
_MOST = 8
_ROOM = 0.05  # of a head, that one may hide

Shade = NDArray[np.float64]


def with_distractors(image: Image, heads: Float, rng: np.random.Generator) -> Image:
    """Lay some of them over a scene, beside its heads.

    image: (S, S, 3) uint8. heads: (n, 4) boxes that stay seen. → (S, S, 3) uint8, a copy.
    """
    scene = image.copy()
    kind = int(rng.integers(4))  # a coat has buttons of one kind
    for _ in range(int(rng.integers(1, _MOST + 1))):
        size = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
        center = rng.uniform(0, len(image), 2)
        box = np.concatenate([center - size / 2, center + size / 2])
        hidden = box_math.intersection(heads, box)[:, 0] / np.maximum(box_math.area(heads), 1e-9)
        if np.any(hidden > _ROOM):
            continue
        picture, cover = _round_thing(kind, rng)
        _lay(scene, picture, cover, box, float(rng.uniform(0.75, 1.0)), rng)
    return scene


def _lay(scene: Image, picture: Shade, cover: Shade, box: Float, squeeze: float, rng: np.random.Generator) -> None:
    """Draw it over the scene, in place, turned and seen a little from the side."""
    size = box[2] - box[0]
    turn = cv2.getRotationMatrix2D((_DRAWN / 2, _DRAWN / 2), float(rng.uniform(0, 360)), size / _DRAWN)
    squeezed = np.asarray(np.diag([squeeze, 1.0]) @ turn, dtype=np.float64)
    squeezed[:, 2] += (box[:2] + box[2:]) / 2 - np.array([squeeze, 1.0]) * _DRAWN / 2
    side = len(scene)
    flags = cv2.INTER_AREA if size < _DRAWN else cv2.INTER_LINEAR
    drawn = cv2.warpAffine(np.dstack([picture, cover]), squeezed, (side, side), flags=flags)
    soft = cv2.GaussianBlur(drawn, (0, 0), 0.3 + _DRAWN / (16 * size))
    share = soft[..., 3:]
    np.copyto(scene, np.clip(scene * (1 - share) + soft[..., :3], 0, 255).astype(np.uint8))


def _round_thing(kind: int, rng: np.random.Generator) -> tuple[Shade, Shade]:
    """Colours (D, D, 3) in 0..255, multiplied by the cover, and the cover (D, D) in 0..1, of one thing."""
    y, x = (np.mgrid[0:_DRAWN, 0:_DRAWN] + 0.5) / (_DRAWN / 2) - 1
    radius, angle = np.hypot(x, y) / 0.96, np.arctan2(y, x)
    cover = np.clip((1 - radius) * _DRAWN / 3, 0, 1)
    light = rng.uniform(-1, 1, 2)
    towards = (x * light[0] + y * light[1]) / max(float(np.hypot(*light)), 1e-6)
    if kind == 0:  # a ball
        height = np.sqrt(np.clip(1 - radius**2, 0, 1))
        shade = 0.35 + 0.5 * height + 0.3 * towards
        stripes = rng.integers(0, 6)
        shade *= 1 - 0.35 * (np.sin(stripes * np.pi * (x + 0.3 * y)) > 0.4)
        spot = np.exp(-((x + 0.4 * light[0]) ** 2 + (y + 0.4 * light[1]) ** 2) / 0.03)
        shade += rng.uniform(0, 0.8) * spot
    elif kind == 1:  # a button: rim, hollow, two or four holes
        rim = rng.uniform(0.65, 0.9)
        shade = 0.75 + 0.25 * towards * np.where(radius > rim, 1, -0.5)
        holes = int(rng.choice([2, 4]))
        for hole in range(holes):
            at = 2 * np.pi * hole / holes
            shade -= 0.6 * (np.hypot(x - 0.28 * np.cos(at), y - 0.28 * np.sin(at)) < 0.11)
    elif kind == 2:  # a wheel, a dial or a knob
        spokes, hub = int(rng.integers(3, 14)), rng.uniform(0.1, 0.5)
        shade = 0.55 + 0.35 * np.sign(np.cos(spokes * angle)) * (radius > hub) * (radius < 0.8) + 0.2 * towards
        cover = cover * np.where(rng.random() < 0.4, radius > rng.uniform(0.3, 0.7), 1.0)
    else:  # a coin, a medal or a shank button: something in relief on a disc
        coarse = rng.normal(size=(int(rng.integers(4, 9)),) * 2)
        relief = cv2.resize(coarse, (_DRAWN, _DRAWN), interpolation=cv2.INTER_CUBIC)
        slope = np.gradient(relief)
        shade = 0.65 + 2.5 * (slope[1] * light[0] + slope[0] * light[1]) + 0.2 * towards
        shade += 0.3 * (np.abs(radius - 0.88) < 0.06) * np.sign(towards)
    colour = _colour(rng)
    picture = np.clip(shade, 0.02, 1.3)[..., None] * colour
    return np.clip(picture, 0, 255) * cover[..., None], cover


def _colour(rng: np.random.Generator) -> Float:
    """Any, often a metal's, a skin's or a grey one: those are what passes for heads."""
    metal, skin = np.array([205.0, 165.0, 80.0]), np.array([210.0, 160.0, 130.0])
    grey = np.full(3, rng.uniform(30, 240))
    anything = rng.uniform(20, 245, 3)
    chosen = (metal, skin, grey, anything)[int(rng.choice(4, p=[0.3, 0.2, 0.25, 0.25]))]
    return np.clip(chosen * rng.uniform(0.6, 1.2), 0, 255)
