"""What heads wear: spectacles, caps, hoods and headscarves made on the skull, scarves around the neck."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.synthesis.anatomy import Anatomy
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import flat_ears, is_ear, skull_ellipsoid
from semiuhpe.synthesis.parts import CLOTH, FLAT, Look, Part, Topology, make_part
from semiuhpe.synthesis.relief import grid_triangles, plain_part, tube


def glasses(eye_left: Float, eye_right: Float, ear: Float, rng: np.random.Generator) -> list[Part]:
    """Spectacles on an identity's face. eyes (3,): eyeball centres; ear (3,): top of the left ear's root."""
    dark = rng.random() < 0.22
    shade = (
        np.exp(rng.normal(-3.2, 0.8, 3) * [1, 0.2, 0.2] + [0, -2.5, -2.5])
        if rng.random() < 0.3
        else np.full(3, rng.uniform(0.005, 0.06))
    )
    frame = Look(FLAT, colour=(float(shade[0]), float(shade[1]), float(shade[2])), gloss=float(rng.uniform(0.1, 0.6)))
    lens = Look(FLAT, colour=(0.01, 0.01, 0.012), gloss=0.5, alpha=float(rng.uniform(0.75, 1.0)))
    wide, tall = rng.uniform(0.25, 0.32), rng.uniform(0.15, 0.27)
    power = rng.choice([2.0, 2.6, 4.0])
    radius = rng.choice([0.008, 0.014, 0.022])
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    forward = 0.32 + rng.uniform(0, 0.06)
    parts = []
    for side, eye in ((1.0, eye_left), (-1.0, eye_right)):
        c, s = np.cos(angle), np.sin(angle)
        x = wide * np.sign(c) * np.abs(c) ** (2 / power)
        y = tall * np.sign(s) * np.abs(s) ** (2 / power)
        centre = eye + [0.03 * side, -0.03, forward]
        ring = np.stack([centre[0] + x, centre[1] + y, centre[2] - 0.18 * np.maximum(side * x, 0) ** 1.5 - 0.05 * y], 1)
        parts.append(plain_part("rim", *tube(ring, float(radius), True), frame))
        if dark:
            fan = np.concatenate([ring, ring.mean(axis=0, keepdims=True)])
            last = len(ring)
            triangles = np.array([[i, (i + 1) % last, last] for i in range(last)])
            parts.append(plain_part("lens", fan, triangles, lens))
        hinge = ring[np.argmax(side * ring[:, 0])] + [0, 0.05, 0]
        end = np.array([side * abs(ear[0]) * 1.02, ear[1] + 0.05, ear[2]])
        temple = np.linspace(hinge, end, 8)
        temple[:, 0] += side * 0.05 * np.sin(np.linspace(0, np.pi, 8))
        parts.append(plain_part("temple", *tube(temple, float(radius) * 1.1, False), frame))
    middle = (eye_left + eye_right) / 2 + [0, 0.02, forward + 0.06]
    gap = abs(eye_left[0] - eye_right[0]) / 2 - wide + 0.05
    bridge = np.stack([middle + [d * gap, 0.02 * (1 - d * d), 0.0] for d in np.linspace(-1, 1, 6)])
    parts.append(plain_part("bridge", *tube(bridge, float(radius), False), frame))
    return parts


def headwear(
    kind: str,
    base: Float,
    vertices: Float,
    normals: Float,
    fields: Float,
    topology: Topology,
    rng: np.random.Generator,
    look: Look,
) -> list[Part]:
    """kind: "beanie", "cap" (with a peak), "dome", "hood" or "headscarf" (both leave only the face free)."""
    y, z = base[:, 1], base[:, 2]
    look = replace(look, mode=CLOTH, recolour=2.0)
    if kind in ("hood", "headscarf"):
        # Inside = everything but an oval around the face.
        oval = np.sqrt((base[:, 0] / 0.72) ** 2 + ((y - 7.0) / 1.02) ** 2)
        face = (z > 0.35) & (oval < 1.0)
        inside = np.where(face, -1.0, 1.0)
        # Along the edge, the mesh's vertices are moved onto the oval.
        hem = np.stack([base[:, 0], y - 7.0, np.zeros(len(y))], 1) * (1 / np.maximum(oval, 0.5) - 1)[:, None]
        low = 5.2
        thick = 0.14 if kind == "headscarf" else float(rng.uniform(0.22, 0.42))
    else:
        # Low at the nape and over the ears, above the brows in front.
        start = float(rng.uniform(7.30, 7.68) if kind == "beanie" else rng.uniform(7.48, 7.68))
        edge = (
            start + (7.70 - start + rng.uniform(0.0, 0.12)) * smoothstep(0.3, 1.0, z) - 0.15 * smoothstep(0.0, 0.8, -z)
        )
        inside = y - edge
        hem = np.maximum(-inside, 0.0)[:, None] * [0.0, 1.0, 0.0]
        low = 6.0
        thick = {"beanie": 0.16, "cap": 0.14, "dome": 0.36}[kind]
    within = (inside > 0) & (y > low)
    keep = within[topology.mesh_triangles].any(axis=1) & (y > low)[topology.mesh_triangles].all(axis=1)
    centre, half = skull_ellipsoid(vertices, fields)
    radial = vertices - centre
    radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-9)
    outward = normals + 1.5 * radial * (y > 6.6)[:, None]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    top = rng.uniform(0.0, 0.25) if kind in ("beanie", "cap") else 0.05
    moved = vertices + outward * (thick + top * smoothstep(7.9, 8.5, y))[:, None]
    ear = is_ear(base)  # flat under cloth
    moved[ear] = flat_ears(base, vertices.copy(), 0.0)[ear] + np.sign(base[ear, :1]) * [half[0] + thick, 0, 0]
    moved = moved + np.where((inside <= 0)[:, None], hem + 0.08 * outward, 0.0)
    subset = topology.subset(keep)
    parts = [make_part(kind, moved, subset, fields, look)]
    if kind == "cap":
        parts.append(_peak(moved, base, within, rng, look))
    return parts


def _peak(moved: Float, base: Float, keep: np.ndarray, rng: np.random.Generator, look: Look) -> Part:
    front = keep & (base[:, 2] > 0.9) & (np.abs(base[:, 0]) < 0.75) & (np.arange(len(base)) < 13380)
    points = moved[front]
    level = points[:, 1].min()
    spread, depth = 0.68, float(rng.uniform(0.5, 0.85))
    rows, columns = 5, 14
    u = np.linspace(-1, 1, columns)
    start = points[:, 2].max()
    grid = []
    for t in np.linspace(0, 1, rows):
        x = spread * u
        z = start - 0.65 * u**2 + depth * t * np.sqrt(np.clip(1 - 0.75 * u**2, 0, 1))
        grid.append(np.stack([x, level + 0.05 - 0.22 * t - 0.16 * u**2, z], 1))
    return plain_part("peak", np.concatenate(grid), grid_triangles(rows, columns, False), look)


def neck_scarf(anatomy: Anatomy, rng: np.random.Generator, look: Look) -> list[Part]:
    """A scarf wound around the neck, sometimes up to the mouth; its lower part goes with the torso."""
    chin = float(anatomy.landmarks[8, 1])
    high = chin + float(rng.choice([rng.uniform(-0.35, -0.05), rng.uniform(-0.05, 0.45)], p=[0.7, 0.3]))
    low = high - float(rng.uniform(0.7, 1.1))
    rows, columns = 10, 32
    azimuth = np.arange(columns) * 2 * np.pi / columns
    t = np.linspace(0, 1, rows)[:, None]
    # Lower behind than in front, and folded.
    height = high + (low - high) * t - 0.12 * (1 - np.cos(azimuth)) * (1 - t)
    folds = 0.05 * np.sin(3 * np.pi * t * rng.uniform(1.5, 2.5) + np.sin(azimuth + rng.uniform(0, 6)))
    stand = 0.10 + 0.22 * np.sin(np.pi * np.clip(t, 0.0, 0.92)) ** 0.6 + folds
    points = anatomy.relief.points(np.broadcast_to(azimuth, height.shape), height, stand).reshape(-1, 3)
    share = np.broadcast_to(smoothstep(0.15, 0.9, t), (rows, columns)).ravel()
    return [plain_part("scarf", points, grid_triangles(rows, columns, True), replace(look, mode=CLOTH), share)]
