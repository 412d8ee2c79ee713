"""What is behind a head, where no photo is: rooms, streets, walls, clutter and blur, all invented."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.synthesis.rooms import indoors, outdoors

Image = NDArray[np.uint8]


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    value = float(rng.uniform(5, 250))
    tint = rng.normal(0, 6 if rng.random() < 0.75 else 24, 3)
    r, g, b = np.clip(value + tint, 0, 255)
    return float(r), float(g), float(b)


def clouds(rng: np.random.Generator, size: int, power: float) -> NDArray[np.float32]:
    """Fractal noise, zero mean, unit deviation. (size, size)"""
    field = np.zeros((size, size), np.float32)
    cells, weight = 2, 1.0
    while cells < size:
        grid = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        field += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * power
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def procedural(rng: np.random.Generator, size: int) -> Image:
    """An invented background at a random blur: a room, a street, or a wall with clutter. (size, size, 3)"""
    kind = rng.random()
    if kind < 0.35:
        canvas = indoors(rng, size)
    elif kind < 0.5:
        canvas = outdoors(rng, size, clouds(rng, size, 0.8))
    else:
        canvas = _wall(rng, size)
    amount = int(rng.choice(np.array([0, rng.integers(1, 6), rng.integers(6, 30)]), p=[0.2, 0.4, 0.4]))
    for _ in range(amount if kind >= 0.5 else amount // 5):
        _shape(canvas, rng, size)
    blur = float(rng.choice([0.0, rng.uniform(0.5, 2.0), rng.uniform(2.0, 9.0)], p=[0.25, 0.35, 0.4])) * size / 256
    if blur > 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.float32)
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


def _wall(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    canvas = np.empty((size, size, 3), np.float32)
    top, bottom = np.array(_colour(rng)), np.array(_colour(rng))
    if rng.random() < 0.6:
        bottom = top + rng.normal(0, 18, 3)
    ramp = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    canvas[:] = top * (1 - ramp) + bottom * ramp
    if rng.random() < 0.5:
        canvas += (
            clouds(rng, size, float(rng.uniform(0.4, 0.9)))[..., None]
            * rng.uniform(2, 35)
            * rng.uniform(0.3, 1, 3).astype(np.float32)
        )
    return canvas


def _shape(canvas: NDArray[np.float32], rng: np.random.Generator, size: int) -> None:
    colour = _colour(rng)
    kind = rng.random()
    x, y = (int(v) for v in rng.uniform(-0.2, 1.1, 2) * size)
    w, h = (int(v) for v in np.exp(rng.uniform(-3.2, -0.3, 2)) * size)
    if kind < 0.45:
        cv2.rectangle(canvas, (x, y), (x + w, y + h), colour, -1)
        if rng.random() < 0.3:
            cv2.rectangle(canvas, (x, y), (x + w, y + h), _colour(rng), int(rng.integers(1, 4)))
    elif kind < 0.6:
        cv2.ellipse(canvas, (x, y), (w // 2 + 1, h // 2 + 1), float(rng.uniform(0, 180)), 0, 360, colour, -1)
    elif kind < 0.75:
        end = tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * size)
        cv2.line(canvas, (x, y), (end[0], end[1]), colour, int(rng.integers(1, max(2, size // 25))))
    elif kind < 0.9:
        points = (rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2)) * [w * 1.5, h * 1.5] + [x, y]).astype(np.int32)
        cv2.fillPoly(canvas, [points], colour)
    else:
        step = max(3, int(rng.uniform(0.02, 0.15) * size))
        for offset in range(x, x + 2 * w, step):
            cv2.line(canvas, (offset, y), (offset, y + h), colour, max(1, step // 3))
