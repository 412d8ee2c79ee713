"""A folder of MakeHuman assets: base mesh, shape targets, skins, hair, eyes, clothes; read once, shared by all heads.

Everything is validated as it is read; what is missing or damaged raises AssetsError. A single damaged hair style,
skin or suit does not matter: it is left out as long as one of its kind remains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError
from semiuhpe.synthesis.fields import all_fields, arm_share
from semiuhpe.synthesis.formats import Float, Int, ObjMesh, Proxy, read_mhclo, read_mhmat, read_obj, read_target
from semiuhpe.synthesis.parts import Topology, topology_of

BODY_VERTICES = 13380
TEXTURE_LIMIT = 1024
BLEND_SIZE = 768  # a face is then some 300 texels wide, three times its pixels in a default picture


@dataclass(frozen=True)
class ProxyAsset:
    """A fitted mesh: its name, how it follows the base, its topology and fields, and its texture's key ("" = none)."""

    name: str
    proxy: Proxy
    topology: Topology
    mesh: ObjMesh
    fields: Float
    texture: str


@dataclass
class HeadAssets:
    """What a folder offers. `root` must hold 3dobjs/base.obj, targets/ and at least one skin and one eye.

    base (v, 3) neutral vertices; fields (v, 4), see Part. skins: name → texture key. textures are loaded lazily.
    """

    root: Path
    base: Float
    mesh: ObjMesh
    fields: Float
    arms: Float
    body: Topology
    mouth: dict[str, Topology]
    skins: dict[str, str]
    eyes: ProxyAsset
    irises: list[str]
    hair: dict[str, ProxyAsset]
    hats: dict[str, ProxyAsset]
    clothes: dict[str, ProxyAsset]
    brows: dict[str, ProxyAsset]
    lashes: dict[str, ProxyAsset]
    _targets: dict[str, tuple[Int, Float]] = field(default_factory=dict)
    _skins: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def target(self, name: str) -> tuple[Int, Float]:
        """Vertex numbers and displacements of `targets/<name>.target`; cached."""
        if name not in self._targets:
            self._targets[name] = read_target(self.root / "targets" / f"{name}.target", len(self.base))
        return self._targets[name]

    def has_target(self, name: str) -> bool:
        """Whether the folder has that target."""
        return name in self._targets or (self.root / "targets" / f"{name}.target").is_file()

    def morph(self, weights: dict[str, float], start: Float | None = None) -> Float:
        """Base vertices (or those of `start`) moved by a weighted sum of targets. → (v, 3)."""
        vertices = (self.base if start is None else start).copy()
        for name, weight in weights.items():
            if weight and self.has_target(name):
                indices, deltas = self.target(name)
                vertices[indices] += weight * deltas
        return vertices

    def _skin(self, key: str) -> NDArray[np.uint8]:
        if key not in self._skins:
            size = (BLEND_SIZE, BLEND_SIZE)
            self._skins[key] = np.asarray(cv2.resize(self.texture(key), size, interpolation=cv2.INTER_AREA), np.uint8)
        return self._skins[key]

    def texture(self, key: str) -> NDArray[np.uint8]:
        """A texture by key: a path inside the folder, or `first|second|share of the second` for a blend of two skins.

        → (H, W, 4) uint8 RGBA, first row = top of the picture.
        """
        if "|" in key:
            first, second, share = key.split("|")
            a, b = self._skin(first), self._skin(second)
            return np.asarray(cv2.addWeighted(a, 1 - float(share), b, float(share), 0), np.uint8)
        path = self.root / key
        image = (
            cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED) if path.is_file() else None
        )
        if image is None:
            raise AssetsError(f"{path}: the texture is missing or damaged")
        if image.dtype != np.uint8:
            image = (image / 257).astype(np.uint8)
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        if image.shape[2] == 3:
            image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
        limit = max(image.shape[:2]) / TEXTURE_LIMIT
        if limit > 1:
            size = (round(image.shape[1] / limit), round(image.shape[0] / limit))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(image[:, :, [2, 1, 0, 3]])


def _proxies(root: Path, pattern: str, count: int, base_fields: Float) -> dict[str, ProxyAsset]:
    found: dict[str, ProxyAsset] = {}
    problems: list[AssetsError] = []
    for path in sorted(root.glob(pattern)):
        try:
            found[path.stem] = _proxy(root, path, count, base_fields)
        except AssetsError as error:
            problems.append(error)
    if problems and not found:
        raise problems[0]
    return found


def _proxy(root: Path, path: Path, count: int, base_fields: Float) -> ProxyAsset:
    proxy = read_mhclo(path, count)
    mesh = read_obj(proxy.mesh)
    if len(mesh.vertices) != len(proxy.references):
        raise AssetsError(
            f"{path}: fits {len(proxy.references)} vertices, its mesh has {len(mesh.vertices)}; damaged asset"
        )
    texture = ""
    if proxy.material is not None and proxy.material.is_file():
        file = read_mhmat(proxy.material).texture
        texture = str(file.resolve().relative_to(root.resolve())) if file else ""
    fields = np.einsum("nk,nkd->nd", proxy.weights, base_fields[proxy.references])
    return ProxyAsset(path.stem, proxy, topology_of(mesh), mesh, fields, texture)


def _ranged(mesh: ObjMesh, name: str) -> Topology:
    return topology_of(mesh, mesh.groups.get(name, np.zeros(0, np.int64)))


def load_assets(root: Path) -> HeadAssets:
    """Read a MakeHuman folder (its `data` folder, or the part of it that concerns heads). Raises AssetsError."""
    if not (root / "3dobjs" / "base.obj").is_file():
        raise AssetsError(
            f"{root}: no 3dobjs/base.obj here; give the folder that holds MakeHuman's 3dobjs, targets and skins"
        )
    mesh = read_obj(root / "3dobjs" / "base.obj")
    base = mesh.vertices
    if "body" not in mesh.groups or len(base) < BODY_VERTICES:
        raise AssetsError(
            f"{root}/3dobjs/base.obj: no group 'body' of {BODY_VERTICES} vertices; not MakeHuman's base mesh hm08"
        )
    quads = mesh.faces[mesh.groups["body"]]
    corners = base[quads]
    shown = (corners[:, :, 1] > 2.6) & (np.abs(corners[:, :, 0]) < 3.3)
    mouth = (
        (np.abs(corners[:, :, 0]) < 0.35)
        & (corners[:, :, 2] < 1.32)
        & (np.abs(corners[:, :, 1] - 6.6) < 0.38)
        & (corners[:, :, 2] > 0.55)
    )
    socket = np.linalg.norm(np.abs(corners) * [1, 1, 1] - [0.308, 7.284, 1.245], axis=2) < 0.28
    hidden = mouth.all(axis=1) | (socket & (corners[:, :, 2] < 1.29)).all(axis=1)
    upper = mesh.groups["body"][shown.all(axis=1) & ~hidden]
    fields = all_fields(base)
    skins: dict[str, str] = {}
    for path in sorted(root.glob("skins/*/*.mhmat")):
        texture = read_mhmat(path).texture
        if texture is not None and "suit" not in path.stem:
            skins[path.stem] = str(texture.resolve().relative_to(root.resolve()))
    eyes = _proxies(root, "eyes/low-poly/*.mhclo", len(base), fields)
    irises = [str(path.relative_to(root)) for path in sorted(root.glob("eyes/materials/*.png"))]
    if not skins or not eyes or not irises:
        raise AssetsError(f"{root}: no skin texture, eye mesh or iris texture found; the folder is incomplete")
    clothes = _proxies(root, "clothes/*/*.mhclo", len(base), fields)
    return HeadAssets(
        root=root,
        base=base,
        mesh=mesh,
        fields=fields,
        arms=arm_share(base),
        body=topology_of(mesh, upper),
        mouth={key: _ranged(mesh, key) for key in ("helper-upper-teeth", "helper-lower-teeth", "helper-tongue")},
        skins=skins,
        eyes=next(iter(eyes.values())),
        irises=irises,
        hair=_proxies(root, "hair/*/*.mhclo", len(base), fields),
        hats={name: asset for name, asset in clothes.items() if "fedora" in name},
        clothes={name: asset for name, asset in clothes.items() if "suit" in name},
        brows=_proxies(root, "eyebrows/*/*.mhclo", len(base), fields),
        lashes=_proxies(root, "eyelashes/*/*.mhclo", len(base), fields),
    )
