"""Tiny assets in MakeHuman's formats: what is read, and that damage is named instead of guessed at."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from semiuhpe.errors import AssetsError
from semiuhpe.synthesis.formats import read_mhclo, read_mhmat, read_obj, read_target

OBJ = """# a quad and a triangle
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 2 2 -.5
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
g helper-x
f 3/3 4/4 5/1
"""

MHCLO = """# clothes
name hat
obj_file hat.obj
material hat.mhmat
x_scale 0 1 2.0
y_scale 0 3 1.0
verts 0
 0 1 2 0.5 0.25 0.25 0.1 0.2 0.3
3
delete_verts
1 - 3 4
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_an_obj_gives_quads_groups_and_uvs(tmp_path: Path) -> None:
    mesh = read_obj(write(tmp_path / "a.obj", OBJ))
    assert mesh.vertices.shape == (5, 3)
    assert mesh.vertices[4].tolist() == [2.0, 2.0, -0.5]
    assert mesh.faces.tolist() == [[0, 1, 2, 3], [2, 3, 4, 4]]
    assert mesh.face_uvs.tolist() == [[0, 1, 2, 3], [2, 3, 0, 0]]
    assert {name: faces.tolist() for name, faces in mesh.groups.items()} == {"body": [0], "helper-x": [1]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        OBJ.replace("f 3/3 4/4 5/1", "f 3/3 4/4 9/1"),
        OBJ.replace("5/1", "5/7"),
        OBJ.replace("v 1 1 0", "v 1 x 0"),
        OBJ.replace("f 3/3 4/4 5/1", "f 3/3 4/4"),
        OBJ.replace("v 1 1 0", "v 1 nan 0"),
        OBJ.replace("f 3/3", "f 0/3"),
    ],
)
def test_a_damaged_obj_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssetsError, match=r"bad\.obj"):
        read_obj(write(tmp_path / "bad.obj", text))


def test_a_missing_file_is_an_assets_error(tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match=r"none\.obj"):
        read_obj(tmp_path / "none.obj")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_target_is_sparse_displacements(tmp_path: Path, zipped: bool) -> None:
    text = "# comment\n0 -.004 0 1\n\n4 .5 0 -2e-1\n"
    path = tmp_path / ("t.target.gz" if zipped else "t.target")
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    indices, deltas = read_target(path, 5)
    assert indices.tolist() == [0, 4]
    np.testing.assert_allclose(deltas, [[-0.004, 0, 1], [0.5, 0, -0.2]])


@pytest.mark.parametrize("text", ["0 1 2\n", "0 a 0 0\n", "9 0 0 0\n", "-1 0 0 0\n", "0 inf 0 0\n"])
def test_a_damaged_target_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssetsError, match=r"bad\.target"):
        read_target(write(tmp_path / "bad.target", text), 5)


def test_a_truncated_gzip_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.target.gz"
    path.write_bytes(gzip.compress(b"0 0 0 0\n" * 1000)[:30])
    with pytest.raises(AssetsError, match="cut"):
        read_target(path, 5)


def test_a_proxy_follows_the_base_mesh(tmp_path: Path) -> None:
    proxy = read_mhclo(write(tmp_path / "hat.mhclo", MHCLO), 5)
    base = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 3, 0], [1, 1, 1]], dtype=float)
    fitted = proxy.fit(base)
    # 0.5·(0,0,0) + 0.25·(4,0,0) + 0.25·(0,4,0), plus the offset in units of |Δx| = 4 over 2, |Δy| = 3 over 1, z as it is.
    np.testing.assert_allclose(fitted[0], [1 + 0.1 * 2, 1 + 0.2 * 3, 0.3])
    np.testing.assert_allclose(fitted[1], base[3])
    assert proxy.delete.tolist() == [1, 2, 3, 4]
    assert proxy.mesh == tmp_path / "hat.obj"


@pytest.mark.parametrize(
    "text",
    [
        MHCLO.replace(" 0 1 2 0.5", " 0 1 7 0.5"),
        MHCLO.replace("obj_file hat.obj\n", ""),
        MHCLO.replace("0.25 0.25 ", "0.25 "),
        MHCLO.replace("1 - 3 4", "1 - 3 99"),
        MHCLO.replace("x_scale 0 1 2.0", "x_scale 0"),
    ],
)
def test_a_damaged_proxy_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssetsError, match=r"bad\.mhclo"):
        read_mhclo(write(tmp_path / "bad.mhclo", text), 5)


def test_a_material_names_its_texture_if_it_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "m.mhmat", "diffuseColor 1 0.5 0\ndiffuseTexture t.png\n")
    assert read_mhmat(path).texture is None
    (tmp_path / "t.png").write_bytes(b"")
    material = read_mhmat(path)
    assert material.texture == tmp_path / "t.png"
    assert material.colour == (1.0, 0.5, 0.0)
    with pytest.raises(AssetsError, match=r"m\.mhmat:1"):
        read_mhmat(write(path, "diffuseColor 1 red 0\n"))
