"""What is behind a head: invented rooms, blur and clutter, or crops of photos from a folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError

Image = NDArray[np.uint8]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def load_backgrounds(folder: Path, limit: int = 400) -> list[Image]:
    """Photos of a folder (sorted, at most `limit`), long side ≤ 640 px, RGB. Raises AssetsError if there is none."""
    images: list[Image] = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() in _SUFFIXES and len(images) < limit:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            if image is not None and min(image.shape[:2]) >= 32:
                scale = min(1.0, 640 / max(image.shape[:2]))
                images.append(
                    np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
                )
    if not images:
        raise AssetsError(f"{folder}: no readable photos for backgrounds here; give a folder of JPEG or PNG files")
    return images


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    value = float(rng.uniform(5, 250))
    tint = rng.normal(0, 7 if rng.random() < 0.6 else 30, 3)
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
    """An invented background: a wall or a sky, furniture-like shapes, lines, clutter, at a random blur. (size, size, 3)"""
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
    amount = int(rng.choice(np.array([0, rng.integers(1, 6), rng.integers(6, 30)]), p=[0.2, 0.4, 0.4]))
    for _ in range(amount):
        _shape(canvas, rng, size)
    blur = float(rng.choice([0.0, rng.uniform(0.5, 2.0), rng.uniform(2.0, 9.0)], p=[0.25, 0.35, 0.4])) * size / 256
    if blur > 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.float32)
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


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


def photo_crop(rng: np.random.Generator, photos: list[Image], size: int) -> Image:
    """A random square of a random photo, mirrored at random, sometimes blurred. (size, size, 3)"""
    photo = photos[int(rng.integers(len(photos)))]
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.3, 1.0))
    x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
    crop = cv2.resize(photo[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.5, 5.0)) * size / 256)
    return np.ascontiguousarray(crop, dtype=np.uint8)


def random_background(rng: np.random.Generator, size: int, photos: list[Image]) -> Image:
    """A photo two times in three where there are photos, else invented."""
    if photos and rng.random() < 0.65:
        return photo_crop(rng, photos, size)
    return procedural(rng, size)
