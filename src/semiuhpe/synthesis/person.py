"""From an identity to what the renderer draws: morph, fit, dress."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semiuhpe.synthesis.anatomy import Anatomy, anatomy_of
from semiuhpe.synthesis.face_masks import face_mask
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.hair import curtain, hairline, shell, skull_ellipsoid
from semiuhpe.synthesis.hair_front import beard_shell, fringe
from semiuhpe.synthesis.hair_tails import tail
from semiuhpe.synthesis.hands import hand_parts
from semiuhpe.synthesis.helmets import headphones, site_helmet
from semiuhpe.synthesis.identity import Identity
from semiuhpe.synthesis.makehuman import BODY_VERTICES, HeadAssets, ProxyAsset
from semiuhpe.synthesis.outfit import Outfit
from semiuhpe.synthesis.parts import CLOTH, FLAT, HAIR, SKIN, Look, Part, Topology, make_part, vertex_normals
from semiuhpe.synthesis.props import glasses, headwear, neck_scarf

_SHOULDER = (1.677, 5.246, 0.146)


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


def _hair(assets: HeadAssets, identity: Identity, anatomy: Anatomy, rng: np.random.Generator) -> list[Part]:
    style, vertices = identity.hair, anatomy.vertices
    look = Look(
        HAIR, hair=identity.hair_colour, gloss=identity.hair_gloss, contrast=style.contrast, ragged=style.ragged
    )
    parts: list[Part] = []
    if style.kind in assets.hair:
        asset = assets.hair[style.kind]
        if asset.texture:
            parts = [_fit(asset, vertices, replace(look, texture_a=asset.texture), "hair")]
        else:
            part = _fit(asset, vertices, replace(look, strands=1.0, scalp=(1.0, 0.1, 0.85)), "hair")
            part.fields[:, 1] = 0.3
            parts = [part]
    elif style.kind in ("short", "curtain"):
        base, fields = assets.base.mesh.vertices, assets.base.fields
        layers = 3 if style.kind == "short" else 2
        parts = shell(base, vertices, anatomy.normals, fields, assets.base.body, style, rng, look, layers)
        if style.kind == "curtain":
            parts += curtain(vertices, fields, style, rng, look)
        if style.front > 0:
            parts += fringe(anatomy, style, rng, look)
        if style.tail:
            parts += tail(vertices, fields, style, rng, look)
    return parts


def _beard(assets: HeadAssets, identity: Identity, anatomy: Anatomy, rng: np.random.Generator) -> list[Part]:
    if not identity.beard_kind:
        return []
    base = assets.base
    look = Look(HAIR, hair=identity.hair_colour, gloss=0.4 * identity.hair_gloss, contrast=1.0)
    return beard_shell(
        base.mesh.vertices,
        anatomy.vertices,
        anatomy.normals,
        base.fields,
        base.body,
        identity.beard_length,
        identity.beard_kind,
        look,
        rng,
    )


def _under_hat(parts: list[Part], vertices: Float, fields: Float, level: float) -> list[Part]:
    """Press hair above a hat's rim (y = level) into the skull, so that it does not stick through."""
    centre, half = skull_ellipsoid(vertices, fields)
    result = []
    for part in parts:
        scaled = (part.positions - centre) / (half - 0.06)
        radius = np.linalg.norm(scaled, axis=1, keepdims=True)
        press = smoothstep(level - 0.15, level + 0.05, part.positions[:, 1].astype(np.float64))[:, None]
        pressed = part.positions * (1 - press) + (centre + scaled / np.maximum(radius, 1.0) * (half - 0.06)) * press
        result.append(replace(part, positions=pressed.astype(np.float32)))
    return result


def _clothes(assets: HeadAssets, vertices: Float, outfit: Outfit) -> tuple[list[Part], NDArray[np.int64]]:
    if outfit.clothes not in assets.clothes:
        return [], np.zeros(0, np.int64)
    asset = assets.clothes[outfit.clothes]
    points = asset.proxy.fit(vertices)
    # Children are shorter: what is far below the head, by the height that they lack, is not drawn.
    lowest = 2.0 + float(vertices[:BODY_VERTICES, 1].max() - assets.base.mesh.vertices[:BODY_VERTICES, 1].max())
    topology = asset.topology.subset((points[asset.topology.mesh_triangles][:, :, 1] > lowest).all(axis=1))
    look = Look(
        CLOTH,
        asset.texture,
        colour=outfit.colour,
        colour_b=outfit.colour_b,
        gloss=0.02,
        pattern=outfit.pattern,
        recolour=outfit.recolour if asset.texture else 2.0,
    )
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
    anatomy = anatomy_of(assets, vertices)
    skin = _skin(assets, identity, outfit)
    clothes, hidden = _clothes(assets, vertices, outfit)
    if clothes:
        skin = replace(skin, shirt=-0.75)
    gone = np.zeros(len(vertices), bool)
    gone[hidden] = True
    body_topology = assets.base.body.subset(~gone[assets.base.body.mesh_triangles].all(axis=1))
    fields = assets.base.fields.copy()
    fields[:, 1] = hairline(assets.base.mesh.vertices, fields[:, 1], identity.hair)
    parts = [make_part("body", vertices, body_topology, fields, skin, normals=anatomy.normals), *clothes]
    eyes, eye_pivots = _eyes(assets, vertices, identity)
    parts += eyes
    for name, topology in assets.base.mouth:
        tone = (0.35, 0.1, 0.09) if "tongue" in name else (0.58, 0.55, 0.49)
        parts.append(
            make_part("teeth", vertices, topology, assets.base.fields * 0.0, Look(FLAT, colour=tone, gloss=0.2))
        )
    parts += _brows_and_lashes(assets, identity, vertices)
    parts += _beard(assets, identity, anatomy, rng)
    hair, worn, straps = _headwear(assets, outfit, anatomy, _hair(assets, identity, anatomy, rng), rng)
    parts += hair + worn + straps
    parts += _accessories(assets, outfit, anatomy, skin, eye_pivots, rng)
    head = vertices[:BODY_VERTICES][_rigid_head(assets)]
    pivot = (_helper(assets, vertices, "joint-neck") + _helper(assets, vertices, "joint-head")) / 2 - [0, 0.15, 0]
    box = _box_points(head, hair + worn, anatomy.centre, anatomy.half)
    return Person(
        tuple(part for part in parts if len(part.triangles)),
        vertices,
        box,
        np.asarray((head.min(axis=0) + head.max(axis=0)) / 2),
        pivot,
        eye_pivots,
    )


def _skin(assets: HeadAssets, identity: Identity, outfit: Outfit) -> Look:
    style = identity.hair
    density = {"bald": 0.0, "shaved": style.stubble}.get(style.kind, 0.92)
    soft = 0.25 if style.kind == "shaved" or style.bald > 0 else 0.12
    return Look(
        SKIN,
        f"{assets.skins[identity.skin_a]}|{assets.skins[identity.skin_b]}|{identity.skin_mix:.2f}",
        colour=identity.skin_tint,
        colour_b=outfit.colour,
        hair=identity.hair_colour,
        gloss=identity.skin_gloss,
        scalp=(style.shift, soft, density),
        beard=identity.beard,
        shirt=outfit.shirt,
        pattern=outfit.pattern,
    )


def _brows_and_lashes(assets: HeadAssets, identity: Identity, vertices: Float) -> list[Part]:
    strand = Look(HAIR, hair=tuple(0.7 * c for c in identity.hair_colour), gloss=0.01)  # type: ignore[arg-type]
    parts = []
    if identity.brow in assets.brows:
        asset = assets.brows[identity.brow]
        parts.append(_fit(asset, vertices, replace(strand, texture_a=asset.texture, alpha=0.9), "brow"))
    if identity.lash in assets.lashes:
        asset = assets.lashes[identity.lash]
        look = replace(strand, hair=(0.01, 0.008, 0.006), texture_a=asset.texture, alpha=0.9)
        parts.append(_fit(asset, vertices, look, "lash"))
    return parts


def _fabric(outfit: Outfit) -> Look:
    return Look(
        CLOTH, colour=outfit.hat_colour, colour_b=outfit.colour_b, gloss=0.02, pattern=outfit.pattern, recolour=2.0
    )


def _headwear(
    assets: HeadAssets, outfit: Outfit, anatomy: Anatomy, hair: list[Part], rng: np.random.Generator
) -> tuple[list[Part], list[Part], list[Part]]:
    """Hair as the hat leaves it, the hat, and what hangs from it."""
    vertices, base = anatomy.vertices, assets.base
    if not outfit.hat:
        return hair, [], []
    brow = float(anatomy.landmarks[[19, 24], 1].mean())
    if outfit.hat in assets.hats:
        return (
            _under_hat(hair, vertices, base.fields, brow + 0.17),
            [_fit(assets.hats[outfit.hat], vertices, _fabric(outfit), "hat")],
            [],
        )
    if outfit.hat == "helmet":
        shell_parts, straps = site_helmet(anatomy, rng)
        return (
            _under_hat(hair, vertices, base.fields, brow + 0.07),
            shell_parts,
            straps,
        )
    worn = headwear(
        outfit.hat, base.mesh.vertices, vertices, anatomy.normals, base.fields, base.body, rng, _fabric(outfit)
    )
    wrapped = outfit.hat in ("hood", "headscarf")
    return ([] if wrapped else _under_hat(hair, vertices, base.fields, brow + 0.07)), worn, []


def _accessories(
    assets: HeadAssets,
    outfit: Outfit,
    anatomy: Anatomy,
    skin: Look,
    eyes: tuple[Float, Float],
    rng: np.random.Generator,
) -> list[Part]:
    parts: list[Part] = []
    if outfit.glasses:
        root = np.array([anatomy.centre[0] + anatomy.half[0], eyes[0][1] + 0.02, 0.05])
        parts += glasses(eyes[1], eyes[0], root, rng)
    if outfit.mask[0]:
        parts += face_mask(*outfit.mask, anatomy, rng, _fabric(outfit))
    if outfit.headphones:
        parts += headphones(anatomy, rng)
    if outfit.scarf:
        parts += neck_scarf(anatomy, rng, _fabric(outfit))
    if outfit.hand:
        parts += hand_parts(outfit.hand, assets, anatomy, skin, rng)
    return parts


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
