"""Fringes and beards: hair on the forehead, on chin, jaw and lip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.synthesis.anatomy import Anatomy
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import hair_surface, waves
from semiuhpe.synthesis.identity import Hairstyle
from semiuhpe.synthesis.parts import HAIR, Look, Part, Topology, make_part
from semiuhpe.synthesis.relief import grid_triangles

_ROWS, _COLUMNS = 9, 25


def fringe(anatomy: Anatomy, style: Hairstyle, rng: np.random.Generator, look: Look) -> list[Part]:
    """Hair that falls from the crown over the forehead, straight or swept to a side, in two layers.

    style.front: 0 ends at the hairline, 1 at the brows.
    """
    centre, half, landmarks, relief = anatomy.centre, anatomy.half, anatomy.landmarks, anatomy.relief
    brow = float(landmarks[[19, 24], 1].mean())
    parts = []
    for layer in range(2):
        u = np.linspace(-1, 1, _COLUMNS)
        azimuth = u * np.radians(rng.uniform(52, 66))
        end = brow + 0.42 * (1 - style.front) + 0.12 * style.sweep * u - 0.10 * np.abs(u) ** 3
        end = end + style.wave * waves(np.stack([3 * u, 0 * u, 0 * u + layer], 1), rng) + 0.05 * layer
        top = centre[1] + half[1] * 0.85
        t = np.linspace(0, 1, _ROWS)[:, None]
        height = top + (end - top) * t
        # Above, the sheet lies on the skull's ellipsoid; on the forehead it hangs a little before the skin.
        level = np.clip((height - centre[1]) / (half[1] + 0.08), -1, 0.995)
        dome = np.sqrt(1 - level**2)
        ring = (
            np.hypot((half[0] + style.thickness) * np.sin(azimuth), (half[2] + style.thickness) * np.cos(azimuth))
            * dome
        )
        skin = relief.at(azimuth, height)
        stand = style.thickness * (0.55 + 0.35 * layer) * (1 - 0.5 * t) + 0.025
        # The dome is centred on the skull, the relief on its axis.
        radius = np.maximum(ring + (centre[2] - relief.centre[1]) * np.cos(azimuth), skin) * (1 - t) + skin * t + stand
        points = np.stack(
            [relief.centre[0] + radius * np.sin(azimuth), height, relief.centre[1] + radius * np.cos(azimuth)], -1
        )
        points += (0.35 * style.wave * waves(points.reshape(-1, 3), rng, frequency=5.0)).reshape(_ROWS, _COLUMNS, 1)
        line = np.ones((_ROWS, _COLUMNS))
        line[-1], line[-2] = -0.12, 0.25
        line[:, [0, -1]] = np.minimum(line[:, [0, -1]], 0.05)
        flat = points.reshape(-1, 3)
        parts.append(
            hair_surface(
                "fringe", flat, grid_triangles(_ROWS, _COLUMNS, False), np.zeros(len(flat)), look, line.ravel()
            )
        )
    return parts


def beard_shell(
    base: Float,
    vertices: Float,
    normals: Float,
    fields: Float,
    topology: Topology,
    length: float,
    kind: str,
    look: Look,
    rng: np.random.Generator,
) -> list[Part]:
    """A beard that stands off the skin, by `length` dm at the chin. kind: "full", "goatee" or "moustache"."""
    x, y = np.abs(base[:, 0]), base[:, 1]
    density = fields[:, 2].copy()
    lip = smoothstep(6.60, 6.68, y) * (1 - smoothstep(6.80, 6.86, y))
    if kind == "goatee":
        density = density * (1 - smoothstep(0.22, 0.34, x)) * smoothstep(6.05, 6.2, y)
    elif kind == "moustache":
        density = density * lip * (1 - smoothstep(0.26, 0.38, x))
    keep = (density[topology.mesh_triangles] > 0.12).all(axis=1)
    if not keep.any():
        return []
    skin = topology.subset(keep)
    down = np.array([0.0, -0.55, 0.25])
    low = 1 - smoothstep(6.2, 6.65, y)
    parts = []
    for layer in range(3):
        share = 0.35 + 0.65 * layer / 2
        stand = length * share * density * (0.35 + 0.65 * low) * (1 + 0.3 * waves(base, rng, frequency=7.0))
        stand = np.where(lip > 0.3, np.minimum(stand, 0.07), stand)
        moved = vertices + (normals + down * low[:, None]) * np.maximum(stand, 0.008 * (layer + 1))[:, None]
        shown = np.stack([fields[:, 0], density - 0.45, fields[:, 2], fields[:, 3]], axis=1)
        own = replace(look, mode=HAIR, strands=1.0, scalp=(0.0, 0.22, (0.95, 0.75, 0.5)[layer]))
        parts.append(make_part("beard", moved, skin, shown, own, normals=normals))
    return parts
