"""Readers of the four text formats that MakeHuman assets come in: .obj, .target, .mhclo and .mhmat.

Each returns plain arrays and raises AssetsError, with the file's name and line, for anything it cannot trust.
"""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class ObjMesh:
    """A Wavefront mesh. vertices (n, 3); uvs (m, 2), origin at the bottom left; faces and face_uvs (k, 4) indices.

    A triangle repeats its last corner. groups: name → numbers of its faces, in file order.
    """

    vertices: Float
    uvs: Float
    faces: Int
    face_uvs: Int
    groups: dict[str, Int]


@dataclass(frozen=True)
class Proxy:
    """A .mhclo: a mesh that follows the base mesh.

    references (n, 3): base vertices of each proxy vertex; weights (n, 3) barycentric; offsets (n, 3) in units of
    `scales`: per axis (first vertex, second vertex, length that counts as 1). delete: base vertices it hides.
    """

    references: Int
    weights: Float
    offsets: Float
    scales: tuple[tuple[int, int, float], ...]
    delete: Int
    mesh: Path
    material: Path | None

    def fit(self, base: Float) -> Float:
        """Positions on a morphed base mesh. base (v, 3) → (n, 3)."""
        points = np.einsum("nk,nkd->nd", self.weights, base[self.references])
        scale = np.ones(3)
        for axis, (first, second, length) in enumerate(self.scales):
            if length > 0:
                scale[axis] = abs(base[first, axis] - base[second, axis]) / length
        return np.asarray(points + self.offsets * scale)


@dataclass(frozen=True)
class Material:
    """A .mhmat: the file of the diffuse texture (None if it names none or the file is absent) and the flat colour."""

    texture: Path | None
    colour: tuple[float, float, float]


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise AssetsError(f"{path}: the asset cannot be read ({error}); give a complete MakeHuman folder") from error
    return raw.decode("utf-8", errors="replace")


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _fail(path: Path, number: int, what: str) -> AssetsError:
    return AssetsError(f"{path}:{number}: {what}; the asset is damaged or of another format")


def read_obj(path: Path) -> ObjMesh:
    """Read a .obj of triangles and quads. Raises AssetsError for a missing file, a bad number or an index out of range."""
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    faces: list[list[int]] = []
    face_uvs: list[list[int]] = []
    groups: dict[str, list[int]] = {}
    group = ""
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == "v":
                vertices.append([float(words[1]), float(words[2]), float(words[3])])
            elif words[0] == "vt":
                uvs.append([float(words[1]), float(words[2])])
            elif words[0] == "g":
                group = words[1] if len(words) > 1 else ""
            elif words[0] == "f":
                corners = [word.split("/") for word in words[1:]]
                if len(corners) not in (3, 4):
                    raise ValueError(f"a face of {len(corners)} corners")
                corners += [corners[-1]] * (4 - len(corners))
                groups.setdefault(group, []).append(len(faces))
                faces.append([_place(corner[0]) for corner in corners])
                face_uvs.append([_place(corner[1]) if len(corner) > 1 and corner[1] else 0 for corner in corners])
        except (ValueError, IndexError) as error:
            raise _fail(path, number, f"cannot read {line.strip()[:40]!r} ({error})") from error
    if not vertices or not faces:
        raise AssetsError(f"{path}: the mesh has no vertices or no faces; the asset is damaged or of another format")
    mesh = ObjMesh(
        np.array(vertices),
        np.array(uvs or [[0.0, 0.0]]),
        np.array(faces, dtype=np.int64),
        np.array(face_uvs, dtype=np.int64),
        {name: np.array(numbers, dtype=np.int64) for name, numbers in groups.items()},
    )
    if not np.all(np.isfinite(mesh.vertices)):
        raise AssetsError(f"{path}: a vertex is not finite; the asset is damaged")
    for name, indices, count in (("vertex", mesh.faces, len(vertices)), ("uv", mesh.face_uvs, len(mesh.uvs))):
        if indices.min() < 0 or indices.max() >= count:
            raise AssetsError(f"{path}: a face refers to {name} {indices.max() + 1} of {count}; the asset is damaged")
    return mesh


def _place(text: str) -> int:
    """A number of a face, which counts from 1, as an index. Raises ValueError for one that is none."""
    index = int(text) - 1
    if abs(index) >= 1 << 31:
        raise ValueError("no mesh has so many")
    return index


def read_target(path: Path, count: int) -> tuple[Int, Float]:
    """Read a .target (or .target.gz): (k,) vertex numbers and (k, 3) displacements. count: vertices of the base mesh."""
    text = re.sub(r"(?m)^\s*#.*$", "", _text(path))
    if not text.strip():  # a target that moves nothing
        return np.zeros(0, np.int64), np.zeros((0, 3))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # text that is not numbers is a warning in numpy
            values = np.fromstring(text, dtype=np.float64, sep=" ").reshape(-1, 4)
    except (ValueError, DeprecationWarning) as error:
        raise AssetsError(f"{path}: not lines of 'vertex dx dy dz' ({error}); the asset is damaged") from error
    indices = values[:, 0].astype(np.int64)
    if len(indices) and (indices.min() < 0 or indices.max() >= count or not np.all(np.isfinite(values))):
        raise AssetsError(f"{path}: a displacement of a vertex that the base mesh lacks, or not finite; damaged asset")
    return indices, values[:, 1:]


def read_mhclo(path: Path, count: int) -> Proxy:
    """Read a .mhclo that follows a base mesh of `count` vertices."""
    rows: list[list[float]] = []
    deleted: list[int] = []
    scales: dict[str, tuple[int, int, float]] = {}
    mesh = material = ""
    section = ""
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            if words[0][0].isalpha():
                section = ""
                if words[0] == "verts":
                    section = "verts"
                elif words[0] == "delete_verts":
                    section = "delete"
                elif words[0] == "obj_file":
                    mesh = words[1]
                elif words[0] == "material":
                    material = words[1]
                elif words[0] in ("x_scale", "y_scale", "z_scale"):
                    scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
            elif section == "verts":
                if len(words) == 1:
                    rows.append([float(words[0])] * 3 + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
                elif len(words) == 9:
                    rows.append([float(word) for word in words])
                else:
                    raise ValueError("neither one vertex nor three with weights and an offset")
            elif section == "delete":
                deleted += _ranges(words)
        except (ValueError, IndexError) as error:
            raise _fail(path, number, f"cannot read {line.strip()[:40]!r} ({error})") from error
    if not rows or not mesh:
        raise AssetsError(f"{path}: names no obj_file or has no verts; the asset is damaged or of another format")
    values = np.array(rows)
    references = values[:, :3].astype(np.int64)
    used = [references.min(), references.max(), *(v for s in scales.values() for v in s[:2]), *deleted]
    if min(used) < 0 or max(used) >= count:
        raise AssetsError(f"{path}: refers to vertex {max(used)} of a base mesh of {count}; made for another base mesh")
    unit = (0, 0, 0.0)
    return Proxy(
        references,
        values[:, 3:6],
        values[:, 6:],
        tuple(scales.get(axis, unit) for axis in "xyz"),
        np.array(deleted, dtype=np.int64),
        path.parent / mesh,
        path.parent / material if material else None,
    )


def _ranges(words: list[str]) -> list[int]:
    """`1 - 4 7` → [1, 2, 3, 4, 7]."""
    result: list[int] = []
    position = 0
    while position < len(words):
        first = int(words[position])
        if position + 2 < len(words) and words[position + 1] == "-":
            result += range(first, int(words[position + 2]) + 1)
            position += 3
        else:
            result.append(first)
            position += 1
    return result


def read_mhmat(path: Path) -> Material:
    """Read a .mhmat. A texture that is named but absent is not an error: the material then has its flat colour."""
    texture: Path | None = None
    colour = (1.0, 1.0, 1.0)
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        try:
            if words and words[0] == "diffuseTexture" and len(words) > 1:
                candidate = path.parent / words[1]
                texture = candidate if candidate.is_file() else None
            elif words and words[0] == "diffuseColor":
                colour = (float(words[1]), float(words[2]), float(words[3]))
        except (ValueError, IndexError) as error:
            raise _fail(path, number, f"cannot read {line.strip()[:40]!r} ({error})") from error
    return Material(texture, colour)
