from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.sources.widerface import head_box_of_face, import_widerface, read_faces

TEXT = """0--Parade/0_Parade_a_1.jpg
3
60 50 40 40 0 0 0 0 0 0
10 20 24 60 2 1 1 0 2 1
20 20 30 30 1 0 0 1 0 0
0--Parade/0_Parade_empty_2.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Handshaking/1_Handshaking_b_3.jpg
1
30 40 26 25 2 0 1 0 1 1
"""


@pytest.fixture
def wider(tmp_path: Path) -> Path:
    root = tmp_path / "wider"
    (root / "wider_face_split").mkdir(parents=True)
    for part in ("train", "val"):
        (root / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt").write_text(TEXT)
        for line in TEXT.splitlines():
            if line.endswith(".jpg"):
                save_picture(root / f"WIDER_{part}" / "images" / line, head=(54, 38, 106, 90))
    return root


def test_faces_become_heads(wider: Path, tmp_path: Path) -> None:
    report = import_widerface(wider, tmp_path / "store")
    assert report.filtered == {"small": 2}
    heads = records(tmp_path / "store")
    names = ["0--Parade/0_Parade_a_1.jpg#0", "0--Parade/0_Parade_a_1.jpg#2", "1--Handshaking/1_Handshaking_b_3.jpg#0"]
    assert list(heads) == [f"{part}/{name}" for part in ("train", "val") for name in names]
    head = heads[f"val/{names[1]}"]
    assert head.extras == {
        "part": "val",
        "blur": 1,
        "expression": 0,
        "illumination": 0,
        "invalid": 1,
        "occlusion": 0,
        "pose": 0,
    }
    # 60 − 6, 50 − 12, 100 + 6, 90: where the picture has its white rectangle.
    np.testing.assert_allclose(
        heads[f"train/{names[0]}"].box, white_box(tmp_path / "store", f"train/{names[0]}"), atol=1
    )


def test_quality_filters(wider: Path, tmp_path: Path) -> None:
    argv = ["prepare", "widerface", str(wider), str(tmp_path / "store"), "--max-invalid", "0", "--max-blur", "1"]
    assert main(argv) == 0
    assert [name[-2:] for name in records(tmp_path / "store")] == ["#0", "#0"]
    assert import_widerface(wider, tmp_path / "pose", max_pose=0).filtered == {"small": 2, "pose": 2}


def test_the_rule_from_face_to_head() -> None:
    assert head_box_of_face((100, 200, 40, 60)) == pytest.approx((94, 182, 146, 260))
    assert head_box_of_face((100, 200, 40, 60), 0.0) == (100, 200, 140, 260)


@pytest.mark.parametrize("text", ["a.jpg\nmany\n", "a.jpg\n2\n1 2 30 40 0 0 0 0 0 0\n", "a.jpg\n1\n1 2 30 40\n"])
def test_malformed_files_are_named_with_the_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "wider_face_val_bbx_gt.txt").write_text("first.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n" + text)
    with pytest.raises(SourceError, match="after line 4"):
        list(read_faces(tmp_path / "wider_face_val_bbx_gt.txt"))


def test_missing_parts_are_named(wider: Path, tmp_path: Path) -> None:
    (wider / "WIDER_val").rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="expected WIDER_val/images"):
        import_widerface(wider, tmp_path / "store")
    (wider / "wider_face_split" / "wider_face_val_bbx_gt.txt").unlink()
    assert import_widerface(wider, tmp_path / "store").added == 3
    with pytest.raises(SourceError, match="no WIDER FACE here"):
        import_widerface(wider / "WIDER_train", tmp_path / "other")
