"""Site helmets: a dome with a brim, a peak, a ridge and a strap under the chin. And headphones."""

from __future__ import annotations

import numpy as np

from semiuhpe.synthesis.anatomy import Anatomy
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.parts import CLOTH, FLAT, Look, Part
from semiuhpe.synthesis.relief import grid_triangles, plain_part, tube

_COLOURS = (
    (0.80, 0.55, 0.02), (0.80, 0.80, 0.78), (0.55, 0.03, 0.02), (0.02, 0.10, 0.45), (0.75, 0.20, 0.02), (0.05, 0.30, 0.10),
)  # fmt: skip
_COLUMNS = 40


def site_helmet(anatomy: Anatomy, rng: np.random.Generator) -> tuple[list[Part], list[Part]]:
    """The shell with its brim, and the strap."""
    centre, half, landmarks, relief = anatomy.centre, anatomy.half, anatomy.landmarks, anatomy.relief
    shade = np.array(_COLOURS[int(rng.choice(6, p=[0.30, 0.25, 0.15, 0.13, 0.12, 0.05]))]) * np.exp(rng.normal(0, 0.2))
    colour = (float(min(shade[0], 0.95)), float(min(shade[1], 0.95)), float(min(shade[2], 0.95)))
    look = Look(FLAT, colour=colour, gloss=float(rng.uniform(0.05, 0.5)))
    room = float(rng.uniform(0.14, 0.24))
    rim = float(rng.uniform(0.04, 0.28)) * half[1]
    azimuth = np.arange(_COLUMNS) * 2 * np.pi / _COLUMNS
    polar = np.linspace(0.03, np.arccos(rim / (half[1] + room)), 10)[:, None]
    ridge = 0.05 * float(rng.random() < 0.7)
    shape = np.stack(
        [
            (half[0] + room) * np.sin(polar) * np.sin(azimuth),
            (half[1] + 1.4 * room) * np.cos(polar) * np.ones_like(azimuth),
            (half[2] + room) * np.sin(polar) * np.cos(azimuth),
        ],
        -1,
    )
    # The forehead may reach further than the ellipsoid of the scalp.
    low = shape[polar[:, 0] > 0.8]
    skin = relief.at(azimuth, centre[1] + low[..., 1]) + (relief.centre[1] - centre[2]) * np.cos(azimuth) + 0.5 * room
    shape[..., [0, 2]] *= np.maximum((skin / np.hypot(low[..., 0], low[..., 2])).max(axis=0), 1.0)[:, None]
    if ridge:
        across = np.abs(shape[..., :1] / half[0])
        lift = ridge * (smoothstep(0.24, 0.18, across) + 0.6 * np.exp(-(((across - 0.42) / 0.07) ** 2)))
        shape = shape * (1 + lift * smoothstep(0.95, 0.6, polar / polar.max())[..., None])
    front = smoothstep(0.1, 0.9, np.cos(azimuth))
    width = 0.07 + float(rng.uniform(0.22, 0.5)) * front + (0.12 if rng.random() < 0.2 else 0.0)
    outward = np.stack([np.sin(azimuth), -0.35 * np.ones_like(azimuth), np.cos(azimuth)], -1)
    edge = shape[-1]
    brim = [edge + outward * (width * t)[:, None] for t in (0.5, 1.0)]
    lip = brim[-1] - [0.0, 0.05, 0.0]
    grid = np.concatenate([shape, np.stack([*brim, lip])]).reshape(-1, 3)
    lean = float(rng.normal(-0.08, 0.06))  # the front a little higher
    c, s = np.cos(lean), np.sin(lean)
    points = grid @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T + centre
    shell = plain_part("helmet", points, grid_triangles(13, _COLUMNS, True), look)
    band = Look(CLOTH, colour=(0.02, 0.02, 0.02), colour_b=(0.02, 0.02, 0.02), recolour=2.0)
    straps: list[Part] = []
    if rng.random() < 0.65:
        chin = float(landmarks[8, 1])
        turn = np.linspace(-1.35, 1.35, 31)
        fall = np.cos(np.linspace(-np.pi / 2, np.pi / 2, 31)) ** 0.8
        high = centre[1] + rim
        height = high + (chin - 0.04 - high) * fall
        path = relief.points(turn, np.maximum(height, chin + 0.02), 0.03)
        # Under the chin the strap goes back towards the throat.
        path[:, 2] -= 0.5 * smoothstep(0.9, 1.0, fall)
        path[:, 1] = np.where(fall > 0.9, chin - 0.06, path[:, 1])
        straps.append(plain_part("strap", *tube(path, 0.03), band))
    return [shell], straps


def headphones(anatomy: Anatomy, rng: np.random.Generator) -> list[Part]:
    """Cups over both ears and a band over the crown."""
    centre, half, ear = anatomy.centre, anatomy.half, anatomy.ear
    value = float(np.exp(rng.uniform(-4.5, -0.2)))
    look = Look(FLAT, colour=(value, value, value), gloss=float(rng.uniform(0.02, 0.3)))
    size, thick = float(rng.uniform(0.30, 0.42)), float(rng.uniform(0.14, 0.22))
    parts = []
    angle = np.arange(16) * 2 * np.pi / 16
    for side in (-1.0, 1.0):
        at = np.array([side * (abs(ear[0]) + 0.08), ear[1], ear[2]])
        rings = []
        for out, radius in ((0.0, 0.85), (0.03, 1.0), (0.85, 1.0), (1.0, 0.8), (1.0, 0.02)):
            ring = np.stack(
                [np.full(16, side * thick * out), size * radius * np.cos(angle), 0.85 * size * radius * np.sin(angle)],
                1,
            )
            rings.append(ring + at)
        parts.append(plain_part("headphone", np.concatenate(rings), grid_triangles(5, 16, True), look))
    arc = np.linspace(-np.pi / 2, np.pi / 2, 25)
    wide, high = abs(ear[0]) + 0.12, centre[1] + half[1] + 0.12 - ear[1]
    path = np.stack([wide * np.sin(arc), ear[1] + high * np.cos(arc) ** 0.75, np.full(25, ear[2])], 1)
    parts.append(plain_part("headphone", *tube(path, 0.06), look))
    return parts
