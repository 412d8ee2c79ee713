"""The zero of the frame: which turn of the mesh is the pose that 300W-LP calls zero.

MakeHuman's mesh stands upright in its own frame; 300W-LP's zero is that of the Basel face model. The two differ by
a small turn, found once by a similarity fit (Umeyama 1991) of the mesh's 68 landmark vertices, over many random
identities with neutral expression, to the mean landmarks of the official labels. Only that turn is kept here.

Why one constant and not one fit per identity: the fit of a single head mistakes the shape of its nose or brow for
a pose, which would make the label depend on looks.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

from semiuhpe.geometry.rotation import project_to_rotation, rotation_x
from semiuhpe.synthesis.formats import Float, Int

FLIP = np.diag([1.0, -1.0, -1.0])
"""From MakeHuman's axes (x to the person's left, y up, z out of the face) to ours for a head that faces the camera."""

PITCH_OFFSET_DEG = -0.33
"""Right-handed turn about our x axis that takes the flipped mesh to the 300W-LP zero; from `mean_offset`."""


def mesh_to_head() -> Float:
    """Rotation canonical head←mesh, (3, 3): a head with pose R is drawn with R·mesh_to_head()."""
    return np.asarray(rotation_x(np.radians(PITCH_OFFSET_DEG)) @ FLIP)


@cache
def _landmark_table() -> tuple[int, ...]:
    text = files("semiuhpe.synthesis").joinpath("data/landmarks68.txt").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(int(row.split()[1]) for row in rows)


def landmark_vertices() -> Int:
    """Vertices of MakeHuman's base mesh (hm08) at the 68 iBUG landmarks, in iBUG's order. (68,)"""
    return np.array(_landmark_table(), dtype=np.int64)


def similarity_fit(source: Float, target: Float, weights: Float | None = None) -> tuple[float, Float, Float, float]:
    """Least-squares similarity target ≈ s·R·source + t (Umeyama 1991). source, target (n, 3); weights (n,).

    Returns s, R (3, 3), t (3,) and the root-mean-square residual in units of the target.
    """
    w = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w / w.sum()
    source_mean, target_mean = w @ source, w @ target
    a, b = source - source_mean, target - target_mean
    covariance = (b * w[:, None]).T @ a
    rotation = project_to_rotation(covariance)
    scale = float(np.sum(rotation * covariance) / np.sum(w[:, None] * a * a))
    shift = target_mean - scale * rotation @ source_mean
    residual = target - (scale * source @ rotation.T + shift)
    return scale, rotation, shift, float(np.sqrt(np.sum(w[:, None] * residual**2)))


def offset_of(landmarks: Float, reference: Float) -> tuple[Float, float]:
    """Turn (3, 3) that takes flipped mesh landmarks (68, 3) to the reference (68, 3), and the relative RMS residual.

    Only the 51 inner landmarks are used: those on the jaw line are drawn on silhouettes, not on anatomy.
    """
    inner = slice(17, 68)
    _scale, rotation, _, residual = similarity_fit(landmarks[inner] @ FLIP, reference[inner])
    size = float(np.sqrt(np.mean(np.sum((reference[inner] - reference[inner].mean(0)) ** 2, axis=1))))
    return rotation, residual / size


def mean_offset(rotations: Float) -> Float:
    """Chordal mean of turns (n, 3, 3) → (3, 3)."""
    return np.asarray(project_to_rotation(np.mean(rotations, axis=0)))
