"""Photometric augmentation, what cameras, light and compression do to a crop: pixels change, the pose does not.

The hardest gap between renders and photographs is how real heads are captured: small, blurred, noisy, over-compressed,
badly lit. Each effect is drawn independently from a generator; strengths are probabilities and ranges in `Photometric`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry.crop import Image

_LEVELS = np.linspace(0, 1, 256)[:, None]
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Photometric:
    """Probabilities and ranges of each effect.

    Attributes:
        brightness: largest relative change.
        contrast: largest relative change.
        saturation: largest relative change.
        gamma: γ of the exponent, which is within [1/(1+γ), 1+γ].
        tint: largest relative gain of one colour channel.
        grey: probability of a grey picture.
        low_resolution: probability of being captured small, down to `smallest` pixels a side.
        smallest: pixels a side, see `low_resolution`.
        blur: probability.
        motion_blur: probability.
        noise: probability.
        jpeg: probability.
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
    """A changed copy of the picture.

    Args:
        image: (S, S, 3) uint8 RGB.
        effects: probabilities and ranges.
        rng: the source of all randomness.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    out = _capture(image, effects, rng)
    out = _color(out, effects, rng)
    if rng.random() < effects.noise:
        sigma = 2.0 + 14.0 * rng.random() ** 2
        out = np.asarray(cv2.addWeighted(out, 1, _grain(out.shape, rng), sigma, 0, dtype=cv2.CV_8U), dtype=np.uint8)
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
        small = round(effects.smallest * (size / effects.smallest) ** rng.random())
        down = cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA)
        up = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_CUBIC)[int(rng.integers(4))]
        out = np.asarray(cv2.resize(down, (size, size), interpolation=up), dtype=np.uint8)
    if rng.random() < effects.blur:
        out = _blur(out, float(0.4 + 2.0 * rng.random()) * size / 112)
    if rng.random() < effects.motion_blur:
        out = np.asarray(cv2.filter2D(out, -1, _motion_kernel(size, rng)), dtype=np.uint8)
    return out


def _blur(image: Image, sigma: float) -> Image:
    """Gaussian blur with the taps of `cv2.GaussianBlur`, a third of its time: its fixed-point arithmetic is not vectorised."""
    taps = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma, cv2.CV_32F)
    return np.asarray(cv2.sepFilter2D(image, -1, taps, taps), dtype=np.uint8)


@lru_cache(maxsize=1)
def _normal_quantiles() -> NDArray[np.float32]:
    """The standard normal distribution in 2¹⁶ values of equal probability, up to ±4.3; (65536,) float32."""
    normal = NormalDist()
    upper = [normal.inv_cdf((n + 0.5) / 65536) for n in range(32768, 65536)]
    return np.array([-value for value in reversed(upper)] + upper, np.float32)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Standard normal numbers, each by table from 16 random bits: a sixth of the time of `rng.standard_normal`."""
    count = math.prod(shape)
    bits = rng.bit_generator.random_raw(-(-count // 4)).view(np.uint16)[:count]
    return _normal_quantiles().take(bits.reshape(shape))


def _motion_kernel(size: int, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    length = max(3, int(rng.integers(3, 10)) * size // 112) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.random() * np.pi
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length // 2)
    center = np.array([length // 2, length // 2])
    cv2.line(kernel, tuple(np.rint(center - reach).astype(int)), tuple(np.rint(center + reach).astype(int)), 1.0)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _color(image: Image, effects: Photometric, rng: np.random.Generator) -> Image:
    """Light and colour: one matrix, and one table look-up."""
    brightness, contrast, saturation, gamma = (2 * rng.random(4) - 1).tolist()
    tint = 1 + effects.tint * (2 * rng.random(3) - 1)
    grey = rng.random() < effects.grey
    keep = 0.0 if grey else 1 + effects.saturation * saturation
    out = image
    if keep != 1.0:
        out = np.asarray(cv2.transform(image, keep * np.eye(3) + (1 - keep) * _LUMA), dtype=np.uint8)
    middle = sum(cv2.mean(out)) / (3 * 255)
    slope = 1 + effects.contrast * contrast
    curve = _LEVELS ** ((1 + effects.gamma) ** gamma) * slope + middle * (1 - slope)
    curve = curve * (255 * (1 + effects.brightness * brightness) * tint)
    table = np.rint(curve).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(out, table[None]), dtype=np.uint8)
