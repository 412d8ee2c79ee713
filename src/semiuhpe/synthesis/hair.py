"""Procedural hair: shells that stand off the skull and curtains that hang from it.

They are made from the identity's own skull, so they fit every head, and they cover what modelled styles do not:
short back-and-sides, bowl cuts, receding hair, bobs of any length.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semiuhpe.synthesis.fields import CROWN_AXIS, smoothstep
from semiuhpe.synthesis.formats import Float, Int
from semiuhpe.synthesis.identity import Hairstyle
from semiuhpe.synthesis.parts import HAIR, Look, Part, Topology, make_part
from semiuhpe.synthesis.relief import grid_triangles


def waves(points: Float, rng: np.random.Generator, count: int = 5, frequency: float = 3.0) -> Float:
    """Smooth noise of unit size over positions (n, 3) → (n,)."""
    directions = rng.normal(0, frequency, (count, 3))
    phases = rng.uniform(0, 2 * np.pi, count)
    return np.asarray(np.sin(points @ directions.T + phases).sum(axis=1) / np.sqrt(count / 2))


def is_ear(base: Float) -> NDArray[np.bool_]:
    """Which vertices of the undeformed skin (n, 3) stand off the skull as ears. (n,)"""
    return np.asarray(
        (np.abs(base[:, 0]) > 0.80) & (np.abs(base[:, 1] - 6.95) < 0.5) & (np.abs(base[:, 2] - 0.1) < 0.45)
    )


def hairline(base: Float, line: Float, style: Hairstyle) -> Float:
    """Signed distance inside this style's hair, without its shift. base (n, 3); line (n,): of a full head of hair.

    style.bald: how far (dm) hair has gone from the crown and the temples; style.ears: hair covers the ears.
    """
    if style.bald > 0:
        ahead = base[:, 2] - 0.1
        crown = 1.6 * (np.hypot(base[:, 0], np.where(ahead > 0, 0.65, 1.2) * ahead) - style.bald)
        above = smoothstep(7.35, 7.7, base[:, 1])
        temple = line - 0.35 * style.bald * smoothstep(0.3, 0.9, base[:, 2])
        line = np.where(above > 0, np.minimum(temple, crown + 1.2 * (1 - above)), line)
    if style.ears:
        side = (base[:, 2] < 0.62) & (base[:, 1] > 6.55)
        line = np.where(side, np.maximum(line, np.minimum(0.3, base[:, 1] - 6.62)), line)
        line = np.where(is_ear(base), np.minimum(0.3, base[:, 1] - 6.62), line)
    return np.asarray(line)


def flat_ears(base: Float, moved: Float, reach: float = 0.95) -> Float:
    """Ears pressed to the head, as under a cap of hair or cloth. moved (n, 3): changed in place and returned."""
    ear = is_ear(base)
    moved[ear, 0] = np.sign(moved[ear, 0]) * np.minimum(np.abs(moved[ear, 0]), reach)
    return moved


def shell(
    base: Float,
    vertices: Float,
    normals: Float,
    fields: Float,
    topology: Topology,
    style: Hairstyle,
    rng: np.random.Generator,
    look: Look,
    layers: int = 3,
) -> list[Part]:
    """Short hair: copies of the scalp, pushed outwards, the outer ones thinner.

    base, vertices (v, 3): undeformed and this identity's mesh; normals (v, 3) of the latter; fields (v, 4); topology: the body's.
    """
    line = hairline(base, fields[:, 1], style) + style.shift
    fringe = style.fringe * smoothstep(0.9, 1.3, base[:, 2]) * smoothstep(7.3, 7.6, base[:, 1])
    line = line + fringe
    keep = (line[topology.mesh_triangles] > -0.35).all(axis=1)
    scalp = topology.subset(keep)
    # Straight up from the crown rather than along bumps of the mesh.
    centre = np.array([0.0, *CROWN_AXIS])
    radial = vertices - centre
    radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-9)
    outward = normals + radial
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    height = smoothstep(7.3, 8.3, base[:, 1])
    thick = style.thickness * smoothstep(-0.15, 0.25, line) + style.top * height
    thick = thick * (1 + 0.25 * waves(base, rng)) + style.wave * waves(base, rng, frequency=9.0) * smoothstep(
        0, 0.3, line
    )
    shown = np.stack([fields[:, 0], line, fields[:, 2], fields[:, 3]], axis=1)
    parts = []
    for layer in range(layers):
        fraction = 0.55 + 0.45 * layer / max(layers - 1, 1)
        moved = vertices + outward * (np.maximum(thick, 0.012) * fraction)[:, None]
        if style.ears:
            ear = is_ear(base)
            moved[ear] = (
                flat_ears(base, vertices.copy(), 0.86)[ear]
                + np.sign(base[ear, :1]) * [1, 0, 0] * (0.05 + 0.7 * thick[ear] * fraction)[:, None]
            )
        thin = (1.0, 0.62, 0.38)[min(layer, 2)]
        fullness = thin + (0.97 - 0.08 * layer - thin) * style.density if layer else 1.0
        parts.append(
            make_part(f"shell{layer}", moved, scalp, shown, _with(look, (0.0, 0.10, fullness)), normals=normals)
        )
    return parts


def _with(look: Look, scalp: tuple[float, float, float]) -> Look:
    return replace(look, mode=HAIR, strands=1.0, scalp=scalp)


def hair_surface(name: str, points: Float, triangles: Int, share: Float, look: Look, line: Float | None = None) -> Part:
    """A sheet of strands from points (n, 3). share (n,): of the torso's turn; line (n,): below 0 where it is cut out."""
    fields = np.stack(
        [share, np.ones(len(points)) if line is None else line, np.zeros(len(points)), np.zeros(len(points))], 1
    )
    uv = np.zeros((len(points), 2), np.float32)
    return make_part(
        name, points, Topology(np.arange(len(points)), uv, triangles, triangles), fields, _with(look, (0.0, 0.12, 1.0))
    )


def skull_ellipsoid(vertices: Float, fields: Float) -> tuple[Float, Float]:
    """Centre and half axes (3,) of the ellipsoid around an identity's scalp."""
    scalp = vertices[:13380][fields[:13380, 1] > 0.05]
    low, high = scalp.min(axis=0), scalp.max(axis=0)
    centre = np.array([(low[0] + high[0]) / 2, high[1] - 0.95, (low[2] + high[2]) / 2])
    half = np.array([(high[0] - low[0]) / 2, high[1] - centre[1], (high[2] - low[2]) / 2])
    return centre, half


def curtain(vertices: Float, fields: Float, style: Hairstyle, rng: np.random.Generator, look: Look) -> list[Part]:
    """Hair parted over the skull that hangs down around it, open at the face."""
    centre, half = skull_ellipsoid(vertices, fields)
    parts = []
    for layer in range(2):
        half_out = half + style.thickness * (0.6 + 0.5 * layer) + np.array([0, style.top, 0])
        columns, over, hang = 44, 9, 9
        opening = style.opening + 0.06 * layer
        azimuth = np.linspace(opening, 2 * np.pi - opening, columns)
        polar = np.linspace(0.05, np.pi / 2 * 1.02, over)
        # Near the crown the sheet closes over the forehead up to the hairline; lower down it opens for the face.
        rows = []
        for angle in polar:
            squeeze = smoothstep(0.55, 1.15, np.array(angle))
            front = opening * squeeze
            turn = np.linspace(front, 2 * np.pi - front, columns)
            rows.append(
                np.stack(
                    [
                        half_out[0] * np.sin(angle) * np.sin(turn),
                        np.full(columns, half_out[1] * np.cos(angle)),
                        half_out[2] * np.sin(angle) * np.cos(turn),
                    ],
                    1,
                )
            )
        last = rows[-1]
        narrow = rng.uniform(-0.12, 0.18)
        share = [np.zeros(columns)] * over
        for step in range(1, hang + 1):
            t = step / hang
            drop = last.copy()
            drop[:, [0, 2]] *= 1 - narrow * t
            drop[:, 1] -= style.length * t * (1 + 0.05 * np.sin(3 * azimuth + layer))
            drop[:, [0, 2]] *= (1 + style.wave * np.sin(9 * t * style.length + 5 * azimuth))[:, None]
            rows.append(drop)
            share.append(smoothstep(0.6, 2.2, style.length * np.full(columns, t)))
        points = np.concatenate(rows) + centre
        points += (style.wave * 0.6 * waves(points, rng, frequency=6.0))[:, None] * np.array([1, 0.3, 1])
        ragged = np.concatenate([np.full(columns, 1.0)] * (over + hang - 1) + [np.full(columns, -0.15 + 0.0)])
        ragged.reshape(over + hang, columns)[:, [0, -1]] = 0.1
        parts.append(
            hair_surface(
                f"curtain{layer}",
                points,
                grid_triangles(over + hang, columns, False),
                np.concatenate(share),
                look,
                ragged,
            )
        )
    return parts
