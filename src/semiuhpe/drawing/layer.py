"""A transparent sheet over a part of the picture: shapes are filled on it without blending, then it is laid on once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.drawing.style import OUTLINE, Float
from semiuhpe.geometry.crop import Image

HALO = (235, 235, 235)
_SHIFT = 4  # sub-pixel bits of OpenCV's drawing
_FAR = 1 << 20  # pixels; beyond, fixed-point coordinates would overflow


@dataclass(frozen=True)
class Layer:
    """pixels: (h·factor, w·factor, 4) uint8, premultiplied RGBA, over the canvas, (H, W, 3) uint8.

    factor: how much finer than the canvas the layer is; that is its anti-aliasing. origin: x, y of its corner on the
    canvas. The layer may reach beyond the frame, so that no outline is drawn along the frame's edge.
    """

    canvas: Image
    pixels: NDArray[np.uint8]
    origin: tuple[int, int]
    factor: int

    @classmethod
    def around(cls, canvas: Image, points: Float, radius: float) -> Layer | None:
        """The layer that holds what is visible of points (n, 2); None if they are all outside of the canvas.

        radius: of the head, pixels; the smaller it is, the finer is the layer.
        """
        rim, frame = math.ceil(3 + radius / 8), np.array([canvas.shape[1], canvas.shape[0]])
        if (points.max(axis=0) + rim <= 0).any() or (points.min(axis=0) - rim >= frame).any():
            return None
        beyond = min(rim, 64)
        left, top = np.clip(np.floor(points.min(axis=0) - rim), -beyond, frame).astype(int).tolist()
        right, bottom = np.clip(np.ceil(points.max(axis=0) + rim), 0, frame + beyond).astype(int).tolist()
        factor = 4 if radius < 30 else 2 if radius < 400 else 1
        pixels = np.zeros(((bottom - top) * factor, (right - left) * factor, 4), np.uint8)
        return cls(canvas, pixels, (left, top), factor)

    def fixed(self, points: ArrayLike) -> NDArray[np.int32]:
        """Canvas points (..., 2) in the fixed-point pixels of the layer."""
        # Pixel i is centred at i in OpenCV's drawing, at i + ½ in our continuous coordinates.
        scaled = (np.asarray(points, dtype=np.float64) - self.origin) * self.factor - 0.5
        return np.asarray(np.clip(scaled, -_FAR, _FAR) * (1 << _SHIFT), dtype=np.int32)

    def polygon(self, outline: ArrayLike, colour: tuple[int, ...]) -> None:
        """Fill a convex polygon (n, 2)."""
        self.polygons(self.fixed(outline)[None], [colour])

    def polygons(self, outlines: NDArray[np.int32], colours: list[tuple[int, ...]]) -> None:
        """Fill convex polygons (k, n, 2), as `fixed` gives them, one in place of the other.

        colours: RGB, or premultiplied RGBA that lets the canvas through.
        """
        for outline, colour in zip(outlines, colours, strict=True):
            cv2.fillConvexPoly(self.pixels, outline, (*colour, 255)[:4], cv2.LINE_8, _SHIFT)

    def silhouette(self, width: float) -> None:
        """Draw a line around all that has been filled: dark with a light halo, so it stands out from any background.

        width: of each of the two, canvas pixels.
        """
        filled = np.ascontiguousarray(self.pixels[..., 3])
        contours, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for colour, share in ((HALO, 3), (OUTLINE, 1)):
            thickness = min(max(1, round(share * width * self.factor)), 2000)
            cv2.drawContours(self.pixels, contours, -1, (*colour, 255), thickness, cv2.LINE_8)

    def blend(self, opacity: float) -> None:
        """Lay the layer on the canvas, in place."""
        small = self.pixels
        if self.factor > 1:
            size = (small.shape[1] // self.factor, small.shape[0] // self.factor)
            small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)
        left, top = self.origin
        small = small[max(0, -top) : self.canvas.shape[0] - top, max(0, -left) : self.canvas.shape[1] - left]
        left, top = max(0, left), max(0, top)
        region = self.canvas[top : top + small.shape[0], left : left + small.shape[1]]
        for first in range(0, len(small), 256):  # in strips, so that a huge head needs no huge floating-point copy
            rows = slice(first, first + 256)
            ink = small[rows].astype(np.float32) * np.float32(opacity)
            cover = 1 - ink[..., 3:] * np.float32(1 / 255)
            region[rows] = np.clip(region[rows] * cover + ink[..., :3] + 0.5, 0, 255).astype(np.uint8)
