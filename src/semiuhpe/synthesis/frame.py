"""The zero of the frame: which turn of the mesh is the pose that 300W-LP calls zero.

MakeHuman's mesh stands upright in its own frame; 300W-LP's zero is that of the Basel face model. The turn between the two
is measured on pictures: rendered heads near the front are shown to networks that learnt the official labels, and to
a face mesh put into the official frame by its own landmarks; the constant is what makes their answers and the labels of
the renders agree (`benchmarks/zero.py`, docs/zero.md). It cannot be had from the mesh alone: a fit of its 68 landmark vertices to
the official mean landmarks is 4° off, because MakeHuman's noses, brows and lips are not those of the Basel faces.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

from semiuhpe.geometry.rotation import rotation_x
from semiuhpe.synthesis.formats import Float, Int

FLIP = np.diag([1.0, -1.0, -1.0])
"""From MakeHuman's axes (x to the person's left, y up, z out of the face) to ours for a head that faces the camera."""

PITCH_OFFSET_DEG = -4.2
"""Right-handed turn about our x axis that takes the flipped mesh to the 300W-LP zero."""


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
