"""How far a head reaches around an upright axis, smoothed: the form on which sheets of cloth and hair are laid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from semiuhpe.synthesis.fields import CROWN_AXIS
from semiuhpe.synthesis.formats import Float, Int
from semiuhpe.synthesis.parts import Look, Part, Topology, make_part

_ROWS, _COLUMNS = 48, 72  # cells of about 0.08 dm and 5 degrees
_CHEST = 4.8  # height on the undeformed mesh where the relief begins


def grid_triangles(rows: int, columns: int, closed: bool) -> Int:
    """Triangles of a rows × columns grid of vertices; closed: the last column meets the first."""
    last = columns if closed else columns - 1
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(last), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    d, e = a + columns, b + columns
    return np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([b, e, d], -1).reshape(-1, 3)])


def plain_part(name: str, points: Float, triangles: Int, look: Look, share: Float | float = 0.0) -> Part:
    """A part without texture from points (n, 3). share: of the torso's turn, a number or (n,)."""
    fields = np.zeros((len(points), 4))
    fields[:, 0] = share
    uv = np.zeros((len(points), 2), np.float32)
    return make_part(name, points, Topology(np.arange(len(points)), uv, triangles, triangles), fields, look)


def tube(path: Float, radius: float, closed: bool = False, sides: int = 5) -> tuple[Float, Int]:
    """Points and triangles of a tube along a polyline (n, 3)."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.cross(ahead, np.array([0.13, 0.31, 0.94]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, ahead)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = side[:, None] * np.cos(angle)[None, :, None] + up[:, None] * np.sin(angle)[None, :, None]
    points = path[:, None] + radius * ring
    if closed:
        points = np.concatenate([points, points[:1]])
    return points.reshape(-1, 3), grid_triangles(len(points), sides, True)


@dataclass(frozen=True)
class Relief:
    """radius (rows, columns): largest distance (dm) of the skin from the upright axis through `centre` (x, z), by
    height and by azimuth from the nose to the person's left. span: lowest and highest height.
    """

    radius: Float
    centre: tuple[float, float]
    span: tuple[float, float]

    def at(self, azimuth: Float, height: Float) -> Float:
        """Bilinear look-up; azimuth (radians) and height (dm) of one shape → radius of that shape."""
        azimuth, height = np.broadcast_arrays(azimuth, height)
        column = (np.asarray(azimuth) / (2 * np.pi) % 1.0) * _COLUMNS - 0.5
        row = np.clip(
            (np.asarray(height) - self.span[0]) / (self.span[1] - self.span[0]) * _ROWS - 0.5, 0, _ROWS - 1.001
        )
        r, c = np.floor(row).astype(int), np.floor(column).astype(int)
        dr, dc = row - r, column - c
        upper, lower = self.radius[r + 1], self.radius[r]
        picked = [
            np.take_along_axis(side.reshape(-1, _COLUMNS), (k % _COLUMNS).reshape(-1, 1), 1).reshape(row.shape)
            for side in (lower, upper)
            for k in (c, c + 1)
        ]
        return np.asarray(
            (picked[0] * (1 - dc) + picked[1] * dc) * (1 - dr) + (picked[2] * (1 - dc) + picked[3] * dc) * dr
        )

    def points(self, azimuth: Float, height: Float, stand_off: Float | float) -> Float:
        """Positions (..., 3) that stand off the skin by `stand_off` dm, sideways."""
        radius = self.at(azimuth, height) + stand_off
        x, z = self.centre
        return np.stack(
            [x + radius * np.sin(azimuth), np.broadcast_to(height, radius.shape), z + radius * np.cos(azimuth)], -1
        )


def relief_of(vertices: Float, base: Float, smooth: float = 1.0) -> Relief:
    """Relief of a morphed skin. vertices, base (n, 3): this identity's and the undeformed skin (arms and ears are left
    out by the latter). smooth: width of the smoothing, cells; hollows are bridged as taut cloth bridges them.
    """
    ear = (np.abs(base[:, 0]) > 0.80) & (np.abs(base[:, 1] - 6.95) < 0.5) & (np.abs(base[:, 2] - 0.1) < 0.45)
    kept = vertices[(base[:, 1] > _CHEST) & (np.abs(base[:, 0]) < 1.25) & ~ear]
    centre, low, high = (0.0, CROWN_AXIS[1]), float(kept[:, 1].min()), float(kept[:, 1].max())
    x, z = kept[:, 0] - centre[0], kept[:, 2] - centre[1]
    column = (np.arctan2(x, z) / (2 * np.pi) % 1.0 * _COLUMNS).astype(int) % _COLUMNS
    row = np.clip((kept[:, 1] - low) / (high - low) * _ROWS, 0, _ROWS - 1).astype(int)
    field = np.zeros((_ROWS, _COLUMNS))
    np.maximum.at(field, (row, column), np.hypot(x, z))
    # Cells between vertices take their neighbours' reach; then the edges of the cells are rounded off.
    pad = 6
    wide = np.asarray(np.pad(field, ((0, 0), (pad, pad)), mode="wrap"), np.float32)
    wide = np.asarray(cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8)), np.float32)
    soft = np.asarray(cv2.GaussianBlur(wide, (0, 0), smooth, borderType=cv2.BORDER_REPLICATE), np.float32)
    wide = np.maximum(soft, wide - 0.06)  # a nose stays a nose
    return Relief(np.asarray(wide[:, pad:-pad], np.float64), centre, (low, high))
