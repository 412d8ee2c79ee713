"""From an identity to what the renderer draws: morph, fit, dress."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import curtain, shell, skull_ellipsoid, tail
from semiuhpe.synthesis.identity import Identity
from semiuhpe.synthesis.makehuman import BODY_VERTICES, HeadAssets, ProxyAsset
from semiuhpe.synthesis.parts import (
    CLOTH,
    FLAT,
    HAIR,
    SKIN,
    Look,
    Part,
    Topology,
    make_part,
    topology_of,
    vertex_normals,
)
from semiuhpe.synthesis.props import glasses, headwear

_SHOULDER, _ELBOW, _WRIST = (1.677, 5.246, 0.146), (3.129, 3.493, 0.132), (4.312, 2.452, 1.757)


@dataclass(frozen=True)
class Outfit:
    """What changes between pictures of one person: clothes, hat, spectacles, arms. hat, clothes: asset or kind, "" = none."""

    clothes: str
    hat: str
    glasses: bool
    hand: bool
    shirt: float
    colour: tuple[float, float, float]
    colour_b: tuple[float, float, float]
    hat_colour: tuple[float, float, float]
    pattern: tuple[float, float]
    recolour: float
    arm: float


@dataclass(frozen=True)
class Person:
    """A dressed, morphed person, ready to draw.

    vertices (v, 3): the morphed base mesh; box_points (m, 3): what the head box encloses (skull, ears, chin, hair
    above the chin, hat), all rigid with the head; centre (3,): middle of the bare head; pivot: middle of the neck.
    """

    parts: tuple[Part, ...]
    vertices: Float
    box_points: Float
    centre: Float
    pivot: Float
    eye_pivots: tuple[Float, Float]


def _cloth_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    kind = rng.random()
    if kind < 0.3:
        value = rng.uniform(0.01, 0.9) ** 1.5 * np.ones(3)
    elif kind < 0.55:
        value = np.array([0.02, 0.035, 0.09]) * np.exp(rng.normal(0.5, 0.7)) * np.exp(rng.normal(0, 0.2, 3))
    else:
        value = rng.uniform(0.01, 0.8, 3) ** 1.6
    return float(min(value[0], 0.95)), float(min(value[1], 0.95)), float(min(value[2], 0.95))


def random_outfit(rng: np.random.Generator, identity: Identity, assets: HeadAssets) -> Outfit:
    """Draw an outfit that goes with the person's hair."""
    suits = sorted(n for n in assets.clothes if n.startswith("male" if identity.male else "female")) or [""]
    hat = ""
    if rng.random() < 0.13:
        kinds = ["beanie", "cap", "cap", "helmet", "hood", "scarf", *sorted(assets.hats)]
        hat = str(rng.choice(kinds))
        if identity.male and hat == "scarf":
            hat = "hood"
    return Outfit(
        clothes=str(rng.choice(suits)) if rng.random() < 0.5 else "",
        hat=hat,
        glasses=bool(rng.random() < 0.24),
        hand=bool(rng.random() < 0.10),
        shirt=float(
            rng.choice([rng.normal(0, 0.15), rng.uniform(0.2, 0.55), rng.uniform(-0.8, -0.2)], p=[0.6, 0.28, 0.12])
        ),
        colour=_cloth_colour(rng),
        colour_b=_cloth_colour(rng),
        hat_colour=_cloth_colour(rng),
        pattern=(float(rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])), float(np.exp(rng.uniform(0.0, 2.0)))),
        recolour=float(rng.choice([0.0, rng.uniform(0.3, 1.0), 1.0, 2.0], p=[0.25, 0.3, 0.3, 0.15])),
        arm=float(rng.uniform(-0.1, 0.75)),
    )


def _helper(assets: HeadAssets, vertices: Float, group: str) -> Float:
    faces = assets.base.mesh.faces[assets.base.mesh.groups[group]]
    return np.asarray(vertices[np.unique(faces)].mean(axis=0))


def _lower_arms(assets: HeadAssets, vertices: Float, angle: float) -> Float:
    """Turn each arm about its shoulder, in the frontal plane, towards the body. angle: radians."""
    result = vertices.copy()
    for side in (1.0, -1.0):
        mask = (np.sign(vertices[:, 0]) == side) & (assets.base.arms > 0)
        pivot = np.array([side * _SHOULDER[0], _SHOULDER[1], _SHOULDER[2]])
        a = -side * angle * assets.base.arms[mask]
        p = vertices[mask] - pivot
        x, y = p[:, 0] * np.cos(a) - p[:, 1] * np.sin(a), p[:, 0] * np.sin(a) + p[:, 1] * np.cos(a)
        result[mask] = np.stack([x, y, p[:, 2]], 1) + pivot
    return result


def _fit(asset: ProxyAsset, vertices: Float, look: Look, name: str, topology: Topology | None = None) -> Part:
    return make_part(name, asset.proxy.fit(vertices), topology or asset.topology, asset.fields, look)


def _eyes(assets: HeadAssets, vertices: Float, identity: Identity) -> tuple[list[Part], tuple[Float, Float]]:
    asset = assets.eyes
    points = asset.proxy.fit(vertices)
    rigid = asset.fields * np.array([0.0, 1.0, 1.0, 1.0])
    look = Look(FLAT, identity.iris, gloss=0.35)
    parts, pivots = [], []
    for side in (-1, 1):
        own = np.sign(points[asset.topology.mesh_triangles].mean(axis=1)[:, 0]) == side
        topology = asset.topology.subset(own)
        ids = np.unique(topology.mesh_triangles)
        pivots.append((points[ids].min(axis=0) + points[ids].max(axis=0)) / 2)
        parts.append(make_part("eye", points, topology, rigid, look, eye=side))
    return parts, (pivots[0], pivots[1])


def _hair(
    assets: HeadAssets, identity: Identity, vertices: Float, normals: Float, rng: np.random.Generator
) -> list[Part]:
    style = identity.hair
    look = Look(HAIR, hair=identity.hair_colour, gloss=identity.hair_gloss)
    if style.kind in ("bald", "shaved"):
        return []
    if style.kind in assets.hair:
        asset = assets.hair[style.kind]
        if asset.texture:
            return [_fit(asset, vertices, replace(look, texture_a=asset.texture), "hair")]
        part = _fit(asset, vertices, replace(look, strands=1.0, scalp=(1.0, 0.1, 0.85)), "hair")
        part.fields[:, 1] = 0.3
        return [part]
    parts = (
        shell(assets.base.mesh.vertices, vertices, normals, assets.base.fields, assets.base.body, style, rng, look)
        if style.kind == "short"
        else []
    )
    if style.kind == "curtain":
        parts += shell(
            assets.base.mesh.vertices,
            vertices,
            normals,
            assets.base.fields,
            assets.base.body,
            style,
            rng,
            look,
            layers=2,
        )
        parts += curtain(vertices, assets.base.fields, style, rng, look)
    if style.tail:
        parts += tail(vertices, assets.base.fields, style, rng, look)
    return parts


def _under_hat(parts: list[Part], vertices: Float, fields: Float, level: float) -> list[Part]:
    """Press hair above a hat's rim (y = level) to the skull, so that it does not stick through."""
    centre, half = skull_ellipsoid(vertices, fields)
    result = []
    for part in parts:
        scaled = (part.positions - centre) / (half + 0.03)
        radius = np.linalg.norm(scaled, axis=1, keepdims=True)
        press = smoothstep(level - 0.15, level + 0.05, part.positions[:, 1].astype(np.float64))[:, None]
        pressed = part.positions * (1 - press) + (centre + scaled / np.maximum(radius, 1.0) * (half + 0.03)) * press
        result.append(replace(part, positions=pressed.astype(np.float32)))
    return result


def _hand(
    assets: HeadAssets, vertices: Float, look: Look, centre: Float, half: Float, rng: np.random.Generator
) -> Part:
    """The left hand with its wrist, put somewhere before or beside the face."""
    along = np.array(_WRIST) - _ELBOW
    along /= np.linalg.norm(along)
    faces = assets.base.mesh.groups["body"]
    reach = (assets.base.mesh.vertices - _WRIST) @ along
    near = (assets.base.mesh.vertices[:, 0] > 2.5) & (reach > -1.1)
    topology = topology_of(assets.base.mesh, faces[near[assets.base.mesh.faces[faces]].all(axis=1)])
    ids = np.unique(topology.mesh_triangles)
    middle = vertices[ids].mean(axis=0)
    quaternion = rng.standard_normal(4)
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    rotation = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    azimuth, low = rng.normal(0, 0.9), rng.uniform(-0.9, 0.35)
    direction = np.array([np.sin(azimuth) * np.cos(low), np.sin(low), np.cos(azimuth) * np.cos(low)])
    place = centre + [0, -0.45, 0] + direction * (half + rng.uniform(0.25, 1.0))
    moved = vertices.copy()
    moved[ids] = (vertices[ids] - middle) @ rotation.T * rng.uniform(0.85, 1.1) + place
    return make_part(
        "hand", moved, topology, np.zeros((len(moved), 4)) - [0, 9, 0, 9], replace(look, shirt=None, scalp=(0, 0.1, 0))
    )


def _clothes(assets: HeadAssets, vertices: Float, outfit: Outfit) -> tuple[list[Part], NDArray[np.int64]]:
    if outfit.clothes not in assets.clothes:
        return [], np.zeros(0, np.int64)
    asset = assets.clothes[outfit.clothes]
    points = asset.proxy.fit(vertices)
    topology = asset.topology.subset((points[asset.topology.mesh_triangles][:, :, 1] > 2.0).all(axis=1))
    look = Look(
        CLOTH, asset.texture, colour=outfit.colour, colour_b=outfit.colour_b, gloss=0.02, pattern=outfit.pattern,
        recolour=outfit.recolour if asset.texture else 2.0,
    )  # fmt: skip
    if look.recolour < 0.2:
        look = replace(look, colour=(1.0, 1.0, 1.0))
    return [make_part("clothes", points, topology, asset.fields, look)], asset.proxy.delete


def build_person(
    identity: Identity,
    expression: dict[str, float],
    outfit: Outfit,
    assets: HeadAssets,
    rng: np.random.Generator,
    neutral: Float | None = None,
) -> Person:
    """Morph, pose the arms, fit eyes, brows, hair and clothes. rng: for what the identity leaves open (hair's waves).

    neutral (v, 3): `assets.morph(identity.targets)`, where it is known already.
    """
    start = assets.morph(identity.targets) if neutral is None else neutral
    vertices = _lower_arms(assets, assets.morph(expression, start), outfit.arm)
    style = identity.hair
    covered = style.kind not in ("bald",)
    density = 0.92 if style.kind != "shaved" else 0.75
    skin = Look(
        SKIN, f"{assets.skins[identity.skin_a]}|{assets.skins[identity.skin_b]}|{identity.skin_mix:.2f}",
        colour=identity.skin_tint, colour_b=outfit.colour, hair=identity.hair_colour, gloss=identity.skin_gloss,
        scalp=(style.shift, 0.12, density if covered else 0.0), beard=identity.beard, shirt=outfit.shirt, pattern=outfit.pattern,
    )  # fmt: skip
    clothes, hidden = _clothes(assets, vertices, outfit)
    if clothes:
        skin = replace(skin, shirt=-0.75)
    gone = np.zeros(len(vertices), bool)
    gone[hidden] = True
    body_topology = assets.base.body.subset(~gone[assets.base.body.mesh_triangles].all(axis=1))
    normals = vertex_normals(vertices, assets.base.body.mesh_triangles)
    parts = [make_part("body", vertices, body_topology, assets.base.fields, skin, normals=normals), *clothes]
    eyes, eye_pivots = _eyes(assets, vertices, identity)
    parts += eyes
    for name, topology in assets.base.mouth:
        tone = (0.35, 0.1, 0.09) if "tongue" in name else (0.58, 0.55, 0.49)
        parts.append(
            make_part("teeth", vertices, topology, assets.base.fields * 0.0, Look(FLAT, colour=tone, gloss=0.2))
        )
    strand = Look(HAIR, hair=tuple(0.7 * c for c in identity.hair_colour), gloss=0.01)  # type: ignore[arg-type]
    if identity.brow in assets.brows:
        asset = assets.brows[identity.brow]
        parts.append(_fit(asset, vertices, replace(strand, texture_a=asset.texture, alpha=0.9), "brow"))
    if identity.lash in assets.lashes:
        asset = assets.lashes[identity.lash]
        parts.append(
            _fit(
                asset, vertices, replace(strand, hair=(0.01, 0.008, 0.006), texture_a=asset.texture, alpha=0.9), "lash"
            )
        )
    hair = _hair(assets, identity, vertices, normals, rng)
    hat_look = Look(
        CLOTH, colour=outfit.hat_colour, colour_b=outfit.colour_b, gloss=0.02, pattern=outfit.pattern, recolour=2.0
    )
    worn: list[Part] = []
    if outfit.hat in assets.hats:
        asset = assets.hats[outfit.hat]
        worn = [_fit(asset, vertices, hat_look, "hat")]
        hair = _under_hat(hair, vertices, assets.base.fields, 7.75)
    elif outfit.hat:
        worn = headwear(
            outfit.hat,
            assets.base.mesh.vertices,
            vertices,
            normals,
            assets.base.fields,
            assets.base.body,
            rng,
            hat_look,
        )
        hair = [] if outfit.hat in ("hood", "scarf") else _under_hat(hair, vertices, assets.base.fields, 7.65)
    parts += hair + worn
    centre, half = skull_ellipsoid(vertices, assets.base.fields)
    if outfit.glasses:
        ear = np.array([centre[0] + half[0], eye_pivots[0][1] + 0.02, 0.05])
        parts += glasses(eye_pivots[1], eye_pivots[0], ear, rng)
    if outfit.hand:
        parts.append(_hand(assets, vertices, skin, centre, half, rng))
    head = vertices[:BODY_VERTICES][_rigid_head(assets)]
    pivot = (_helper(assets, vertices, "joint-neck") + _helper(assets, vertices, "joint-head")) / 2 - [0, 0.15, 0]
    return Person(
        tuple(part for part in parts if len(part.triangles)), vertices, _box_points(head, hair + worn, centre, half),
        np.asarray((head.min(axis=0) + head.max(axis=0)) / 2), pivot, eye_pivots,
    )  # fmt: skip


def _rigid_head(assets: HeadAssets) -> NDArray[np.bool_]:
    """Vertices of the skin that the head box encloses: skull, ears, jaw down to the chin; no neck, no inner mouth."""
    base = assets.base.mesh.vertices[:BODY_VERTICES]
    nape = 6.12 + 0.30 * (1.38 - base[:, 2])
    return np.asarray(base[:, 1] > nape)


def _box_points(head: Float, covers: list[Part], centre: Float, half: Float) -> Float:
    """Skin and what covers it: hair and hats above the chin and close to the skull (no tails, no brims)."""
    chin = head[:, 1].min()
    points = [head[::3], head[head.argmin(axis=0)], head[head.argmax(axis=0)]]
    for part in covers:
        p = part.positions.astype(np.float64)
        away = (np.linalg.norm((p - centre) / half, axis=1) - 1.0) * half.mean()
        near = (p[:, 1] > chin + 0.05) & (away < 0.5) & (part.fields[:, 0] < 0.3)
        if part.look.strands > 0.5:
            near &= part.fields[:, 1] > 0.0
        points.append(p[near][::2])
    return np.concatenate(points)


def normals_of(person: Person, assets: HeadAssets) -> Float:
    """Unit normals of the morphed base mesh. (v, 3)"""
    return vertex_normals(person.vertices, assets.base.body.mesh_triangles)
