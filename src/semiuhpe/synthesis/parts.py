"""What the renderer draws: triangles with a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.synthesis.formats import Float, Int, ObjMesh

SKIN, HAIR, CLOTH, FLAT = 0, 1, 2, 3
"""Ways to shade: photographic skin with painted scalp, beard and shirt; strands; recoloured fabric; one colour."""


@dataclass(frozen=True)
class Look:
    """How a part is shaded. Colours are linear RGB in [0, 1]; the texture is a key into the asset set, "" for none.

    recolour: 0 keeps the texture's own colour, 1 keeps only its brightness.
    scalp: (shift in dm of the hairline, softness, density); beard: (density, share of it below the chin);
    shirt: shift in dm of the neckline, None for bare shoulders. pattern: (kind 0 plain, 1 stripes, 2 checks,
    3 noise; repeats a dm). strands: 0 = the texture's own, 1 = strands around the crown, cut out by noise;
    contrast: between them. ragged: how uneven hair's edges are, 0 cut with a ruler, 1 in spikes.
    """

    mode: int
    texture_a: str = ""
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colour_b: tuple[float, float, float] = (1.0, 1.0, 1.0)
    hair: tuple[float, float, float] = (0.02, 0.015, 0.01)
    recolour: float = 0.0
    gloss: float = 0.1
    scalp: tuple[float, float, float] = (0.0, 0.1, 0.0)
    beard: tuple[float, float] = (0.0, 0.0)
    shirt: float | None = None
    pattern: tuple[float, float] = (0.0, 1.0)
    strands: float = 0.0
    alpha: float = 1.0
    contrast: float = 1.0
    ragged: float = 1.0


@dataclass(frozen=True)
class Topology:
    """A mesh's connectivity, fixed over identities. Corners with different uv are different GPU vertices.

    source (n,): mesh vertex of each GPU vertex; uv (n, 2); triangles (k, 3) of GPU vertices; mesh_triangles
    (k, 3) of mesh vertices, for normals.
    """

    source: Int
    uv: NDArray[np.float32]
    triangles: Int
    mesh_triangles: Int

    def subset(self, keep: ArrayLike) -> Topology:
        """Only the triangles that `keep` (k,) marks, and the GPU vertices that they use."""
        keep = np.asarray(keep, dtype=bool)
        triangles = self.triangles[keep]
        used = np.zeros(len(self.source), bool)
        used[triangles] = True
        return Topology(self.source[used], self.uv[used], (np.cumsum(used) - 1)[triangles], self.mesh_triangles[keep])


def topology_of(mesh: ObjMesh, faces: Int | None = None) -> Topology:
    """Triangulate (some faces of) a mesh and split its uv seams."""
    quads = mesh.faces if faces is None else mesh.faces[faces]
    quad_uvs = mesh.face_uvs if faces is None else mesh.face_uvs[faces]
    pairs = np.stack([quads.ravel(), quad_uvs.ravel()], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    corners = inverse.reshape(quads.shape)
    # The two halves of a quad stay neighbours: rasterisers keep few transformed vertices in their cache.
    triangles = np.stack([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    triangles = triangles[triangles[:, 1] != triangles[:, 2]]
    return Topology(unique[:, 0], mesh.uvs[unique[:, 1]].astype(np.float32), triangles, unique[:, 0][triangles])


def vertex_normals(vertices: Float, triangles: Int) -> Float:
    """Area-weighted unit normals. vertices (n, 3), triangles (k, 3) → (n, 3); unused vertices get (0, 0, 1)."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    u, v = b - a, c - a
    face = np.stack(
        [
            u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1],
            u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2],
            u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0],
        ],
        1,
    )
    normals = np.stack(
        [sum(np.bincount(triangles[:, i], face[:, axis], len(vertices)) for i in range(3)) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Part:
    """A drawable. positions, normals (n, 3), uv (n, 2), fields (n, 4), all float32; triangles (k, 3) int32.

    Mesh frame of MakeHuman: decimetres, x to the person's left, y up, z out of the face. fields: share of the
    torso's turn that the vertex takes (0 = rigid with the skull); signed distance in dm inside the hairline;
    beard density; signed distance in dm below the neckline. eye: −1 or +1 for an eyeball (person's right, left), 0 otherwise.
    """

    name: str
    positions: NDArray[np.float32]
    normals: NDArray[np.float32]
    uv: NDArray[np.float32]
    fields: NDArray[np.float32]
    triangles: NDArray[np.int32]
    look: Look
    eye: int = 0

    @property
    def inner(self) -> bool:
        """Seen only from the front: eyes, lashes, brows, teeth."""
        return self.name in ("eye", "lash", "brow", "teeth")


def make_part(
    name: str,
    vertices: Float,
    topology: Topology,
    fields: Float,
    look: Look,
    eye: int = 0,
    normals: Float | None = None,
) -> Part:
    """A part from mesh vertices (v, 3), per-vertex fields (v, 4) and, where they are known, normals (v, 3)."""
    if normals is None:
        normals = vertex_normals(vertices, topology.mesh_triangles)
    return Part(
        name,
        vertices[topology.source].astype(np.float32),
        normals[topology.source].astype(np.float32),
        topology.uv,
        fields[topology.source].astype(np.float32),
        topology.triangles.astype(np.int32),
        look,
        eye,
    )
