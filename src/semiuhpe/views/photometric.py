"""What cameras, light and compression do to a crop: pixels change, the pose does not.

The hardest gap between renders and photographs is how real heads are captured: small, blurred, noisy,
over-compressed, badly lit. Each effect is drawn independently from a generator; strengths are probabilities
and ranges in `Photometric`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semiuhpe.geometry.crop import Image


@dataclass(frozen=True)
class Photometric:
    """Probabilities and ranges of each effect.

    brightness, contrast, saturation: largest relative change. gamma: exponent within [1/(1+γ), 1+γ]. tint: largest
    relative gain of one colour channel. grey: probability of a grey picture. low_resolution: probability of being
    captured small, down to `smallest` pixels a side. blur, motion_blur, noise, jpeg: probabilities.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    gamma: float = 0.0
    tint: float = 0.0
    grey: float = 0.0
    low_resolution: float = 0.0
    smallest: int = 20
    blur: float = 0.0
    motion_blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0


WEAK = Photometric(brightness=0.1, contrast=0.1)
STRONG = Photometric(
    brightness=0.35,
    contrast=0.4,
    saturation=0.6,
    gamma=0.5,
    tint=0.15,
    grey=0.12,
    low_resolution=0.4,
    smallest=24,
    blur=0.2,
    motion_blur=0.08,
    noise=0.25,
    jpeg=0.3,
)


def apply(image: Image, effects: Photometric, rng: np.random.Generator) -> Image:
    """A changed copy of the picture. image (S, S, 3) uint8 RGB → the same shape."""
    out = _capture(image, effects, rng)
    out = _colour(out, effects, rng)
    if rng.random() < effects.noise:
        sigma = 2.0 + 14.0 * rng.random() ** 2
        noise = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(sigma)
        out = np.clip(out.astype(np.float32) + noise, 0, 255).astype(np.uint8)
    if rng.random() < effects.jpeg:
        quality = int(rng.integers(15, 80))
        ok, encoded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok:
            out = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return out


def _capture(image: Image, effects: Photometric, rng: np.random.Generator) -> Image:
    """Optics: small sensors, focus, motion."""
    size = image.shape[0]
    out = image
    if rng.random() < effects.low_resolution and effects.smallest < size:
        small = int(round(effects.smallest * (size / effects.smallest) ** rng.random()))
        down = cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA)
        up = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_CUBIC)[int(rng.integers(4))]
        out = np.asarray(cv2.resize(down, (size, size), interpolation=up), dtype=np.uint8)
    if rng.random() < effects.blur:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(0.4 + 2.0 * rng.random()) * size / 112), dtype=np.uint8)
    if rng.random() < effects.motion_blur:
        out = np.asarray(cv2.filter2D(out, -1, _motion_kernel(size, rng)), dtype=np.uint8)
    return out


def _motion_kernel(size: int, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    length = max(3, int(rng.integers(3, 10)) * size // 112) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.random() * np.pi
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length // 2)
    centre = np.array([length // 2, length // 2])
    cv2.line(kernel, tuple(np.rint(centre - reach).astype(int)), tuple(np.rint(centre + reach).astype(int)), 1.0)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _colour(image: Image, effects: Photometric, rng: np.random.Generator) -> Image:
    """Light and colour in one float pass over the picture and one table look-up."""
    brightness, contrast, saturation, gamma = (2 * rng.random(4) - 1).tolist()
    tint = 1 + effects.tint * (2 * rng.random(3) - 1)
    grey = rng.random() < effects.grey
    keep = 0.0 if grey else 1 + effects.saturation * saturation
    out = image
    if keep != 1.0:
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=-1)
        out = np.asarray(cv2.addWeighted(image, keep, luma, 1 - keep, 0), dtype=np.uint8)
    levels = np.linspace(0, 1, 256, dtype=np.float64)[None, :]
    exponent = (1 + effects.gamma) ** gamma
    middle = float(out.mean()) / 255
    curve = (levels**exponent - middle) * (1 + effects.contrast * contrast) + middle
    curve = curve * (1 + effects.brightness * brightness) * tint[:, None]
    table = np.clip(np.rint(curve * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(out, np.ascontiguousarray(table.T[None])), dtype=np.uint8)
