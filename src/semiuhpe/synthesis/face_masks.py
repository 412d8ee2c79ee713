"""Masks before mouth and nose: surgical, respirator and cloth, worn well or badly, with their straps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.synthesis.anatomy import Anatomy
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.parts import CLOTH, FLAT, Look, Part
from semiuhpe.synthesis.relief import grid_triangles, plain_part, tube

KINDS = ("surgical", "respirator", "cloth")

_SURGICAL = ((0.30, 0.52, 0.72), (0.75, 0.80, 0.82), (0.02, 0.02, 0.022), (0.70, 0.35, 0.42), (0.25, 0.55, 0.45))
_ROWS, _COLUMNS = 12, 21


def face_mask(kind: str, wear: str, anatomy: Anatomy, rng: np.random.Generator, look: Look) -> list[Part]:
    """A mask on a face. kind: of `KINDS`; wear: "right", "nose" (below the nose) or "chin" (pulled down).

    look: fabric of a cloth mask.
    """
    landmarks, relief, ear = anatomy.landmarks, anatomy.relief, anatomy.ear
    nose, tip, mouth, chin = (float(landmarks[k, 1]) for k in (28, 33, 57, 8))
    top = {"right": nose - 0.04, "nose": tip - 0.05, "chin": mouth - 0.10}[wear] + float(rng.uniform(-0.04, 0.04))
    bottom = chin - float(rng.uniform(0.02, 0.16))
    reach = np.radians(rng.uniform(62, 80))
    u = np.linspace(-1, 1, _COLUMNS)
    v = np.linspace(0, 1, _ROWS)[:, None]
    # The upper edge drops from the bridge of the nose to the cheeks; the lower one rises along the jaw.
    upper = top - (0.30 if wear == "right" else 0.12) * np.abs(u) ** 1.3
    lower = bottom + 0.42 * np.abs(u) ** 2
    height = upper + (lower - upper) * v
    azimuth = np.broadcast_to(u * reach, height.shape)
    puff = {"surgical": 0.05, "respirator": 0.16, "cloth": 0.03}[kind] * float(rng.uniform(0.6, 1.5))
    bulge = puff * np.cos(u * np.pi / 2) ** 0.5 * np.sin(np.pi * np.clip(v, 0.02, 0.98))
    if kind == "respirator":
        bulge = bulge + 0.14 * np.exp(-((u / 0.35) ** 2)) * np.sin(np.pi * v) ** 0.7
    # Below the chin the sheet turns in under the jaw instead of hanging straight down.
    tuck = 0.22 * smoothstep(chin + 0.02, chin - 0.2, height) if wear != "chin" else 0.0
    points = relief.points(azimuth, height, 0.035 + bulge - tuck)
    if kind == "surgical":
        shade = np.array(_SURGICAL[int(rng.choice(len(_SURGICAL), p=[0.45, 0.25, 0.15, 0.08, 0.07]))])
        shade = shade * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.05, 3))
        own = Look(
            CLOTH, colour=_rgb(shade), colour_b=_rgb(0.8 * shade), pattern=(1.0, float(rng.uniform(5, 7))), recolour=2.0
        )
    elif kind == "respirator":
        shade = np.full(3, rng.choice([0.75, 0.75, 0.04])) * np.exp(rng.normal(0, 0.1))
        own = Look(CLOTH, colour=_rgb(shade), colour_b=_rgb(shade), recolour=2.0)
    else:
        own = replace(look, mode=CLOTH, recolour=2.0)
    own = replace(own, gloss=0.02)
    parts = [plain_part("mask", points.reshape(-1, 3), grid_triangles(_ROWS, _COLUMNS, False), own)]
    strap = Look(FLAT, colour=(0.75, 0.75, 0.75) if own.colour[1] > 0.2 else own.colour, gloss=0.02)
    for column, side in ((-1, 1.0), (0, -1.0)):
        for row in (0, -1):
            end = np.array([side * abs(ear[0]) * 1.03, ear[1] + (0.28 if row == 0 else -0.28), ear[2] - 0.02])
            path = np.linspace(points[row, column], end, 7)
            # It lies on the cheek, not in it.
            around = np.arctan2(path[:, 0] - relief.centre[0], path[:, 2] - relief.centre[1])
            lying = relief.points(around, path[:, 1], 0.03)
            outer = np.hypot(*(path[:, [0, 2]] - relief.centre).T) < np.hypot(*(lying[:, [0, 2]] - relief.centre).T)
            path[outer] = lying[outer]
            parts.append(plain_part("strap", *tube(path, 0.014), strap))
    return parts


def _rgb(colour: Float) -> tuple[float, float, float]:
    r, g, b = (float(min(v, 0.95)) for v in colour)
    return r, g, b
