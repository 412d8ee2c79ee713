"""Where a person's skull, face, ears and skin are: what hair, hats, masks and hands are fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semiuhpe.synthesis.formats import Float
from semiuhpe.synthesis.frame import landmark_vertices
from semiuhpe.synthesis.hair import is_ear, skull_ellipsoid
from semiuhpe.synthesis.makehuman import BODY_VERTICES, HeadAssets
from semiuhpe.synthesis.parts import vertex_normals
from semiuhpe.synthesis.relief import Relief, relief_of


@dataclass(frozen=True)
class Anatomy:
    """What things are fitted to. vertices, normals (v, 3): the morphed mesh; centre, half (3,): ellipsoid of the skull;
    landmarks (68, 3); ear (3,): root of the left ear; relief: of the skin around the upright axis.
    """

    vertices: Float
    normals: Float
    centre: Float
    half: Float
    landmarks: Float
    ear: Float
    relief: Relief


def anatomy_of(assets: HeadAssets, vertices: Float) -> Anatomy:
    """Anatomy of a morphed mesh (v, 3)."""
    centre, half = skull_ellipsoid(vertices, assets.base.fields)
    base = assets.base.mesh.vertices[:BODY_VERTICES]
    left = is_ear(base) & (base[:, 0] > 0)
    root = vertices[:BODY_VERTICES][left & (base[:, 0] < 0.88)].mean(axis=0)
    return Anatomy(
        vertices,
        vertex_normals(vertices, assets.base.body.mesh_triangles),
        centre,
        half,
        vertices[landmark_vertices()],
        np.asarray(root),
        relief_of(vertices[:BODY_VERTICES], base),
    )
