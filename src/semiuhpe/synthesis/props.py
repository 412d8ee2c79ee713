"""What heads wear and what comes before them: spectacles, caps and hoods made on the skull, hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import _grid, skull_ellipsoid
from semiuhpe.synthesis.parts import CLOTH, FLAT, Look, Part, Topology, make_part


def _plain(name: str, points: Float, triangles: np.ndarray, look: Look) -> Part:
    fields = np.zeros((len(points), 4))
    uv = np.zeros((len(points), 2), np.float32)
    return make_part(name, points, Topology(np.arange(len(points)), uv, triangles, triangles), fields, look)


def _tube(path: Float, radius: float, closed: bool, sides: int = 5) -> tuple[Float, np.ndarray]:
    """A tube along a polyline (n, 3)."""
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
    return points.reshape(-1, 3), _grid(len(points), sides, True)


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
        parts.append(_plain("rim", *_tube(ring, float(radius), True), frame))
        if dark:
            fan = np.concatenate([ring, ring.mean(axis=0, keepdims=True)])
            last = len(ring)
            triangles = np.array([[i, (i + 1) % last, last] for i in range(last)])
            parts.append(_plain("lens", fan, triangles, lens))
        hinge = ring[np.argmax(side * ring[:, 0])] + [0, 0.05, 0]
        end = np.array([side * abs(ear[0]) * 1.02, ear[1] + 0.05, ear[2]])
        temple = np.linspace(hinge, end, 8)
        temple[:, 0] += side * 0.05 * np.sin(np.linspace(0, np.pi, 8))
        parts.append(_plain("temple", *_tube(temple, float(radius) * 1.1, False), frame))
    middle = (eye_left + eye_right) / 2 + [0, 0.02, forward + 0.06]
    gap = abs(eye_left[0] - eye_right[0]) / 2 - wide + 0.05
    bridge = np.stack([middle + [d * gap, 0.02 * (1 - d * d), 0.0] for d in np.linspace(-1, 1, 6)])
    parts.append(_plain("bridge", *_tube(bridge, float(radius), False), frame))
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
    """kind: "beanie", "cap" (with a peak), "helmet", "hood" or "scarf" (both leave only the face free)."""
    y, z = base[:, 1], base[:, 2]
    look = replace(look, mode=CLOTH, recolour=2.0)
    if kind in ("hood", "scarf"):
        # Inside = everything but an oval around the face.
        oval = np.sqrt((base[:, 0] / 0.72) ** 2 + ((y - 7.0) / 1.02) ** 2)
        face = (z > 0.35) & (oval < 1.0)
        inside = np.where(face, -1.0, 1.0)
        low = 5.2
        thick = 0.16 if kind == "scarf" else 0.28
    else:
        edge = float(rng.uniform(7.55, 7.85)) + 0.12 * smoothstep(0.0, 1.2, z) - 0.15 * smoothstep(0.0, 0.8, -z)
        inside = y - edge
        low = 6.0
        thick = {"beanie": 0.16, "cap": 0.14, "helmet": 0.36}[kind]
    keep_vertex = (inside > 0) & (y > low)
    centre, _ = skull_ellipsoid(vertices, fields)
    radial = vertices - centre
    radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-9)
    outward = normals + 1.5 * radial * (y > 6.6)[:, None]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    top = rng.uniform(0.0, 0.25) if kind in ("beanie", "cap") else 0.05
    moved = vertices + outward * (thick + top * smoothstep(7.9, 8.5, y))[:, None]
    # Ears lie flat under cloth.
    ear = (np.abs(base[:, 0]) > 0.80) & (np.abs(y - 6.95) < 0.5) & (np.abs(z - 0.1) < 0.45)
    moved[ear, 0] = np.sign(moved[ear, 0]) * np.minimum(np.abs(moved[ear, 0]), 0.95)
    subset = topology.subset(keep_vertex[topology.mesh_triangles].all(axis=1))
    parts = [make_part(kind, moved, subset, fields, look)]
    if kind == "cap":
        parts.append(_peak(moved, base, keep_vertex, rng, look))
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
    return _plain("peak", np.concatenate(grid), _grid(rows, columns, False), look)
