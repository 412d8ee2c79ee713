"""A folder of MakeHuman assets: base mesh, shape targets, skins, hair, eyes, clothes; read once, shared by all heads.

Everything is validated as it is read; what is missing or damaged raises AssetsError. A single damaged hair style,
skin or suit does not matter: it is left out as long as one of its kind remains.
"""

from __future__ import annotations

from collections.abc import Callable
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
BLEND_SIZE = 1024  # a face is an eighth of the atlas wide


@dataclass(frozen=True)
class ProxyAsset:
    """A fitted mesh: its name, how it follows the base, its topology and fields, and its texture's key ("" = none)."""

    name: str
    proxy: Proxy
    topology: Topology
    mesh: ObjMesh
    fields: Float
    texture: str


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh hm08 and what is fixed on it.

    root: folder with 3dobjs and targets; mesh: neutral; fields (v, 4), see Part; arms (v,): share of an arm's turn;
    body: the drawn part of the skin; mouth: teeth and tongue.
    """

    root: Path
    mesh: ObjMesh
    fields: Float
    arms: Float
    body: Topology
    mouth: tuple[tuple[str, Topology], ...]


@dataclass
class HeadAssets:
    """What heads are made of. skins: name → texture key; irises: texture keys; the rest: fitted meshes by name.

    paint: makes textures whose key begins with "painted/". Targets and textures are loaded lazily.
    """

    base: BaseMesh
    skins: dict[str, str]
    eyes: ProxyAsset
    irises: list[str]
    hair: dict[str, ProxyAsset] = field(default_factory=dict)
    hats: dict[str, ProxyAsset] = field(default_factory=dict)
    clothes: dict[str, ProxyAsset] = field(default_factory=dict)
    brows: dict[str, ProxyAsset] = field(default_factory=dict)
    lashes: dict[str, ProxyAsset] = field(default_factory=dict)
    paint: Callable[[str], NDArray[np.uint8]] | None = None
    _targets: dict[str, tuple[Int, Float]] = field(default_factory=dict)
    _skins: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def _target_file(self, name: str) -> Path:
        path = self.base.root / "targets" / f"{name}.target"
        return path if path.is_file() else path.with_suffix(".target.gz")

    def target(self, name: str) -> tuple[Int, Float]:
        """Vertex numbers and displacements of `targets/<name>.target`; cached."""
        if name not in self._targets:
            self._targets[name] = read_target(self._target_file(name), len(self.base.mesh.vertices))
        return self._targets[name]

    def has_target(self, name: str) -> bool:
        """Whether the folder has that target."""
        return name in self._targets or self._target_file(name).is_file()

    def morph(self, weights: dict[str, float], start: Float | None = None) -> Float:
        """Base vertices (or those of `start`) moved by a weighted sum of targets. → (v, 3)."""
        vertices = (self.base.mesh.vertices if start is None else start).copy()
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
        if key.startswith("painted/") and self.paint is not None:
            return self.paint(key)
        path = self.base.root / key
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


def load_base(root: Path) -> BaseMesh:
    """The base mesh of a MakeHuman data folder. Raises AssetsError if it is not there or another one."""
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
    corners = base[mesh.faces[mesh.groups["body"]]]
    shown = (corners[:, :, 1] > 2.6) & (np.abs(corners[:, :, 0]) < 3.3)
    # What no camera sees: the inside of the mouth and of the eye sockets.
    mouth = (np.abs(corners[:, :, 0]) < 0.35) & (np.abs(corners[:, :, 1] - 6.68) < 0.26)
    mouth &= (corners[:, :, 2] < 1.30) & (corners[:, :, 2] > 0.85)
    socket = np.linalg.norm(np.abs(corners) - [0.308, 7.284, 1.245], axis=2) < 0.22
    hidden = mouth.all(axis=1) | (socket & (corners[:, :, 2] < 1.29)).all(axis=1)
    body = topology_of(mesh, mesh.groups["body"][shown.all(axis=1) & ~hidden])
    inside = ("helper-upper-teeth", "helper-lower-teeth", "helper-tongue")
    parts = tuple((key, topology_of(mesh, mesh.groups[key])) for key in inside if key in mesh.groups)
    return BaseMesh(root, mesh, all_fields(base), arm_share(base), body, parts)


def load_assets(root: Path) -> HeadAssets:
    """Read a MakeHuman folder (its `data` folder, or the part of it that concerns heads). Raises AssetsError."""
    base = load_base(root)
    count, fields = len(base.mesh.vertices), base.fields
    skins: dict[str, str] = {}
    for path in sorted(root.glob("skins/*/*.mhmat")):
        texture = read_mhmat(path).texture
        if texture is not None and "suit" not in path.stem:
            skins[path.stem] = str(texture.resolve().relative_to(root.resolve()))
    eyes = _proxies(root, "eyes/low-poly/*.mhclo", count, fields)
    irises = [str(path.relative_to(root)) for path in sorted(root.glob("eyes/materials/*.png"))]
    if not skins or not eyes or not irises:
        raise AssetsError(f"{root}: no skin texture, eye mesh or iris texture found; the folder is incomplete")
    clothes = _proxies(root, "clothes/*/*.mhclo", count, fields)
    return HeadAssets(
        base=base,
        skins=skins,
        eyes=next(iter(eyes.values())),
        irises=irises,
        hair=_proxies(root, "hair/*/*.mhclo", count, fields),
        hats={name: asset for name, asset in clothes.items() if "fedora" in name},
        clothes={name: asset for name, asset in clothes.items() if "suit" in name},
        brows=_proxies(root, "eyebrows/*/*.mhclo", count, fields),
        lashes=_proxies(root, "eyelashes/*/*.mhclo", count, fields),
    )
