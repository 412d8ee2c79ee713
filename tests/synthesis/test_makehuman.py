"""A MakeHuman folder made of the real base mesh and tiny stand-ins for everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from semiuhpe.errors import AssetsError
from semiuhpe.synthesis.makehuman import BLEND_SIZE, HeadAssets, load_assets

HAT_OBJ = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
HAT = "obj_file {0}.obj\nmaterial {0}.mhmat\nverts 0\n10\n20\n30\n"


def proxy(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    (folder / f"{name}.obj").write_text(HAT_OBJ)
    (folder / f"{name}.mhclo").write_text(HAT.format(name))
    (folder / f"{name}.mhmat").write_text(f"diffuseTexture {name}.png\n")
    cv2.imwrite(str(folder / f"{name}.png"), np.full((8, 8, 4), 200, np.uint8))


@pytest.fixture
def folder(assets: HeadAssets, tmp_path: Path) -> Path:
    (tmp_path / "3dobjs").mkdir()
    shutil.copy(assets.base.root / "3dobjs" / "base.obj", tmp_path / "3dobjs")
    proxy(tmp_path / "eyes" / "low-poly", "low-poly")
    proxy(tmp_path / "hair" / "short01", "short01")
    proxy(tmp_path / "clothes" / "male_casualsuit01", "male_casualsuit01")
    for name, grey in (("young_asian_male", 100), ("old_asian_male", 200)):
        (tmp_path / "skins" / name).mkdir(parents=True)
        (tmp_path / "skins" / name / f"{name}.mhmat").write_text("diffuseTexture s.png\n")
        cv2.imwrite(str(tmp_path / "skins" / name / "s.png"), np.full((32, 32, 3), grey, np.uint8))
    (tmp_path / "eyes" / "materials").mkdir()
    cv2.imwrite(str(tmp_path / "eyes" / "materials" / "brown_eye.png"), np.full((8, 8, 4), 90, np.uint8))
    (tmp_path / "targets" / "head").mkdir(parents=True)
    (tmp_path / "targets" / "head" / "head-oval.target").write_text("7 0.5 0 0\n9 0 0 1\n")
    return tmp_path


def test_a_folder_gives_every_kind_of_asset(folder: Path) -> None:
    found = load_assets(folder)
    assert sorted(found.skins) == ["old_asian_male", "young_asian_male"]
    assert list(found.hair) == ["short01"]
    assert list(found.clothes) == ["male_casualsuit01"]
    assert found.irises == ["eyes/materials/brown_eye.png"]
    assert found.texture(found.hair["short01"].texture).shape == (8, 8, 4)


def test_targets_add_up_and_unknown_ones_do_nothing(folder: Path) -> None:
    found = load_assets(folder)
    moved = found.morph({"head/head-oval": 0.5, "head/none": 1.0})
    expected = found.base.mesh.vertices.copy()
    expected[7, 0] += 0.25
    expected[9, 2] += 0.5
    np.testing.assert_allclose(moved, expected)


def test_a_blend_of_two_skins(folder: Path) -> None:
    found = load_assets(folder)
    blend = found.texture(f"{found.skins['young_asian_male']}|{found.skins['old_asian_male']}|0.25")
    assert blend.shape == (BLEND_SIZE, BLEND_SIZE, 4)
    assert np.unique(blend[..., :3]).tolist() == [125]


def test_one_damaged_hairstyle_is_left_out_but_not_the_last(folder: Path) -> None:
    proxy(folder / "hair" / "short02", "short02")
    (folder / "hair" / "short02" / "short02.mhclo").write_text("verts 0\n99999999\n")
    assert list(load_assets(folder).hair) == ["short01"]
    (folder / "hair" / "short01" / "short01.mhclo").write_text("verts 0\nnonsense\n")
    with pytest.raises(AssetsError, match="short0"):
        load_assets(folder)


@pytest.mark.parametrize("missing", ["3dobjs", "skins", "eyes"])
def test_a_folder_without_the_essentials_is_refused(folder: Path, missing: str) -> None:
    shutil.rmtree(folder / missing)
    with pytest.raises(AssetsError, match=folder.name):
        load_assets(folder)


def test_another_base_mesh_is_refused(folder: Path) -> None:
    (folder / "3dobjs" / "base.obj").write_text(HAT_OBJ)
    with pytest.raises(AssetsError, match="hm08"):
        load_assets(folder)


def test_a_texture_that_is_damaged_is_named(folder: Path) -> None:
    found = load_assets(folder)
    (folder / "hair" / "short01" / "short01.png").write_bytes(b"not a picture")
    with pytest.raises(AssetsError, match=r"short01\.png"):
        found.texture(found.hair["short01"].texture)
