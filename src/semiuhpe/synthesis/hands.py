"""Hands at the head, with their forearms, and the phones that they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semiuhpe.synthesis.anatomy import Anatomy
from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.makehuman import BODY_VERTICES, HeadAssets
from semiuhpe.synthesis.parts import FLAT, Look, Part, make_part, topology_of
from semiuhpe.synthesis.relief import plain_part

KINDS: dict[str, float] = {
    "cheek": 0.24, "chin": 0.16, "brow": 0.10, "hair": 0.10, "phone": 0.22, "photo": 0.06, "any": 0.12,
}  # fmt: skip
"""Where hands are: at the cheek, under the chin, at the forehead, in the hair, a phone at the ear, a phone held up before
the face, anywhere."""

_TOUCHING = ("cheek", "chin", "brow", "hair")
_ELBOW, _WRIST = np.array([3.129, 3.493, 0.132]), np.array([4.312, 2.452, 1.757])


def _frame(along: Float, palm: Float) -> Float:
    """Right-handed columns: fingers, palm (orthogonalised), thumb side. (3, 3)"""
    a = along / np.linalg.norm(along)
    p = palm - a * (a @ palm)
    p /= np.linalg.norm(p)
    return np.stack([a, p, np.cross(a, p)], 1)


def hand_parts(kind: str, assets: HeadAssets, anatomy: Anatomy, look: Look, rng: np.random.Generator) -> list[Part]:
    """A hand (with a phone) of an identity, rigid with the head. kind: of `KINDS`; look: skin."""
    vertices = anatomy.vertices
    base = assets.base.mesh.vertices
    along = (_WRIST - _ELBOW) / np.linalg.norm(_WRIST - _ELBOW)
    reach = (base - _WRIST) @ along
    arm = (base[:, 0] > 2.5) & (base[:, 1] > 0.0) & (np.arange(len(base)) < BODY_VERTICES)
    near = arm & (reach > (-2.1 if kind != "any" else -1.1))
    faces = assets.base.mesh.groups["body"]
    topology = topology_of(assets.base.mesh, faces[near[assets.base.mesh.faces[faces]].all(axis=1)])
    ids = np.unique(topology.mesh_triangles)
    own, palm_centre = _own_frame(vertices[arm & (reach > 0.25)])
    side = float(rng.choice([-1.0, 1.0]))
    at, fingers, palm = _target(kind, anatomy, rng)
    turned = _frame(fingers, palm) @ own.T
    local = (vertices[ids] - palm_centre) @ turned.T * rng.uniform(0.88, 1.05)
    if kind in _TOUCHING:
        at = at + _contact(local + at, anatomy)
    moved = vertices.copy()
    moved[ids] = (local + at) * [side, 1, 1]
    if side < 0:
        topology = replace(
            topology, triangles=topology.triangles[:, ::-1], mesh_triangles=topology.mesh_triangles[:, ::-1]
        )
    fields = np.zeros((len(moved), 4)) - [0, 9, 0, 9]
    parts = [
        make_part("hand", moved, topology, fields, replace(look, shirt=None, scalp=(0.0, 0.1, 0.0), beard=(0.0, 0.0)))
    ]
    if kind in ("phone", "photo"):
        # The phone lies in the palm, its long side across the fingers' roots or along them.
        lift = _frame(fingers, palm) @ np.array([0.35, 0.16, 0.0])
        long, flat = (fingers, palm) if kind == "phone" else (np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
        parts.append(_phone((at + lift) * [side, 1, 1], long * [side, 1, 1], flat * [side, 1, 1], rng))
    return parts


def _contact(hand: Float, anatomy: Anatomy) -> Float:
    """How far a hand (n, 3) has to be moved sideways from the head's axis, so that it lies on the skin. (3,)"""
    relief = anatomy.relief
    level = hand[hand[:, 1] > anatomy.landmarks[8, 1]]
    if len(level) < 20:
        return np.zeros(3)
    x, z = level[:, 0] - relief.centre[0], level[:, 2] - relief.centre[1]
    inside = relief.at(np.arctan2(x, z), level[:, 1]) - np.hypot(x, z)
    outward = np.array([x.mean(), 0.0, z.mean()])
    deep = float(np.clip(np.quantile(inside, 0.97) - 0.03, -0.4, 1.0))
    return np.asarray(deep * outward / max(float(np.linalg.norm(outward)), 1e-9))


def _own_frame(hand: Float) -> tuple[Float, Float]:
    """Frame of a left hand (n, 3) as it is modelled, and its middle. Fingers bend towards the palm."""
    middle = hand.mean(axis=0)
    axes = np.linalg.svd(hand - middle, full_matrices=False)[2]
    fingers = axes[0] * np.sign(axes[0] @ (_WRIST - _ELBOW))
    palm = axes[2]
    return _frame(fingers, palm * _palm_sign(hand - middle, fingers, palm)), middle


def _palm_sign(hand: Float, fingers: Float, palm: Float) -> float:
    """+1 if `palm` points out of the palm: finger tips and the heel of the hand lie on that side of the knuckles."""
    along = hand @ fingers
    low, high = np.quantile(along, [0.12, 0.88])
    ends = (hand[(along < low) | (along > high)] @ palm).mean()
    return 1.0 if ends > (hand[(along > low) & (along < high)] @ palm).mean() else -1.0


def _target(kind: str, anatomy: Anatomy, rng: np.random.Generator) -> tuple[Float, Float, Float]:
    """Middle of the palm, direction of the fingers and of the palm's face, for a hand on the person's left."""
    centre, half, landmarks, ear = anatomy.centre, anatomy.half, anatomy.landmarks, anatomy.ear
    jitter = rng.normal(0, 0.12, 3)
    up = np.array([0.0, 1.0, 0.0])
    if kind == "cheek":
        at = landmarks[14] + [0.22, 0.1, 0.12] + 0.5 * jitter
        return at, up + [0.15, 0, -0.25] + 2 * jitter, np.array([-1.0, 0.1, -0.5])
    if kind == "chin":
        at = landmarks[8] + [0.2, -0.36, 0.1] + 0.5 * jitter
        return at, np.array([-0.9, 0.35, 0.25]) + 2 * jitter, np.array([0.2, 1.0, -0.3])
    if kind == "brow":
        at = np.array([0.35 * half[0], landmarks[24, 1] + 0.28, landmarks[27, 2] + 0.16]) + 0.4 * jitter
        return at, np.array([-1.0, 0.5, 0.15]) + 2 * jitter, np.array([0.1, -0.4, -1.0])
    if kind == "hair":
        at = centre + half * [0.85, 0.65, rng.uniform(-0.5, 0.6)] + [0.22, 0.16, 0.0] + 0.4 * jitter
        return at, np.array([-0.6, 0.9, -0.2]) + 2 * jitter, np.array([-0.9, -0.6, 0.0])
    if kind == "phone":
        at = np.array([abs(ear[0]) + 0.48, ear[1] - 0.28, ear[2] + 0.22]) + 0.4 * jitter
        return at, np.array([0.05, 0.95, -0.4]) + jitter, np.array([-1.0, 0.15, 0.0])
    if kind == "photo":
        at = centre + np.array([rng.uniform(-0.2, 0.9), rng.uniform(-1.2, -0.2), half[2] + rng.uniform(1.2, 2.6)])
        return at, up + 2 * jitter, np.array([-0.2, 0.0, 1.0])
    azimuth, low = rng.normal(0, 0.9), rng.uniform(-0.9, 0.35)
    direction = np.array([abs(np.sin(azimuth)) * np.cos(low), np.sin(low), np.cos(azimuth) * np.cos(low)])
    at = centre + [0, -0.45, 0] + direction * (half + rng.uniform(0.25, 1.0))
    return at, rng.standard_normal(3), rng.standard_normal(3)


def _phone(at: Float, long: Float, flat: Float, rng: np.random.Generator) -> Part:
    """A slab about `at`. long, flat (3,): directions of its long side and of its face."""
    frame = _frame(long, flat)[:, [2, 0, 1]]
    size = np.array([rng.uniform(0.33, 0.40), rng.uniform(0.68, 0.80), rng.uniform(0.035, 0.06)])
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    quads = np.array([[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]])
    # Corners of their own for every face: its light is one, not a ball's.
    points = (corners * size)[quads.ravel()] @ frame.T + at
    triangles = np.concatenate([np.arange(24).reshape(6, 4)[:, [0, 1, 2]], np.arange(24).reshape(6, 4)[:, [0, 2, 3]]])
    shade = rng.choice([0.01, 0.02, 0.4, 0.8]) * np.exp(rng.normal(0, 0.2, 3))
    colour = (float(min(shade[0], 0.95)), float(min(shade[1], 0.95)), float(min(shade[2], 0.95)))
    return plain_part("phone", points, triangles, Look(FLAT, colour=colour, gloss=float(rng.uniform(0.1, 0.6))))
