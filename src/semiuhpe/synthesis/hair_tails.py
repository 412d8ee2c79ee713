"""Hair that is tied: buns, ponytails, pigtails and braids, with the ties around them."""

from __future__ import annotations

import numpy as np

from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import hair_surface, skull_ellipsoid, waves
from semiuhpe.synthesis.identity import Hairstyle
from semiuhpe.synthesis.parts import CLOTH, Look, Part
from semiuhpe.synthesis.relief import grid_triangles, plain_part, tube

_TIES = ((0.02, 0.02, 0.02), (0.45, 0.02, 0.03), (0.02, 0.03, 0.15), (0.55, 0.20, 0.28), (0.6, 0.58, 0.55))


def tail(vertices: Float, fields: Float, style: Hairstyle, rng: np.random.Generator, look: Look) -> list[Part]:
    """What style.tail names: "bun", "pony", "pigtails" or "braid", style.tail_size dm thick."""
    centre, half = skull_ellipsoid(vertices, fields)
    # From the nape (−) to the crown (+); a bun may sit on top of the head.
    height = float(rng.uniform(-0.9, 1.35 if style.tail == "bun" else 0.9))
    back = np.array([0.0, half[1] * np.sin(height), -half[2] * np.cos(height)])
    if style.tail == "bun":
        return [_bun(centre + back * (1 + 0.4 * style.tail_size), style, rng, look)]
    pairs = style.tail == "pigtails" or (style.tail == "braid" and rng.random() < 0.3)
    starts = [back + [s * half[0] * 0.75, 0, half[2] * 0.35] for s in (-1, 1)] if pairs else [back]
    length, swing = float(rng.uniform(0.8, 2.6)), float(rng.uniform(0.25, 0.7))
    shade = _TIES[int(rng.choice(len(_TIES), p=[0.45, 0.2, 0.15, 0.12, 0.08]))]
    tie = Look(CLOTH, colour=shade, colour_b=shade, recolour=2.0)
    parts = []
    for start in starts:
        rows, columns = 16, 10
        t = np.linspace(0, 1, rows)
        out = start / np.linalg.norm(start) * np.array([1, 0.5, 1])
        path = (
            centre + start + swing * out * np.sin(t * 1.9)[:, None] + np.array([0, -1, 0]) * (length * t**1.6)[:, None]
        )
        radius = style.tail_size * 0.42 * (0.35 + np.sin(np.clip(t * 1.1 + 0.12, 0, 1) * np.pi) ** 0.7)
        if style.tail == "braid":
            radius = style.tail_size * 0.4 * (1 - 0.35 * t) * (0.8 + 0.2 * np.abs(np.sin(t * np.pi * 3.2 * length)))
        azimuth = np.arange(columns) * 2 * np.pi / columns
        ring = np.stack([np.sin(azimuth), 0.3 * np.cos(azimuth), np.cos(azimuth)], -1)
        points = (path[:, None] + ring[None] * radius[:, None, None]).reshape(-1, 3)
        share = np.repeat(smoothstep(0.8, 2.4, length * t), columns)
        parts.append(hair_surface("tail", points, grid_triangles(rows, columns, True), share, look))
        if rng.random() < 0.6:
            around = path[1] + ring * (radius[1] + 0.03)
            parts.append(plain_part("tie", *tube(around, 0.05, closed=True), tie))
    return parts


def _bun(at: Float, style: Hairstyle, rng: np.random.Generator, look: Look) -> Part:
    rows, columns = 10, 14
    polar, azimuth = np.linspace(0, np.pi, rows), np.arange(columns) * 2 * np.pi / columns
    grid = np.stack(
        [
            np.outer(np.sin(polar), np.sin(azimuth)),
            np.outer(np.cos(polar), np.ones(columns)),
            np.outer(np.sin(polar), np.cos(azimuth)),
        ],
        -1,
    )
    points = grid.reshape(-1, 3) * style.tail_size * np.array([1, 0.9, 0.8]) + at
    points += (0.03 * waves(points, rng, frequency=9.0))[:, None]
    return hair_surface("bun", points, grid_triangles(rows, columns, True), np.zeros(len(points)), look)
