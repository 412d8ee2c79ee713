"""Listed boxes: each form of the file in miniature, broken rows, and what a store then holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.boxes_csv import import_boxes_csv


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "wild"
    (root / "images").mkdir(parents=True)
    for number in range(3):
        pixels = np.full((90, 120, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
    return root


def test_corners_and_sides_mean_the_same_box(folder: Path, tmp_path: Path) -> None:
    (folder / "heads.csv").write_text("file,x,y,w,h\n0.png,30,20,40,44\n")
    (folder / "corners.csv").write_text("file,x1,y1,x2,y2\n0.png,30,20,70,64\n")
    boxes = []
    for name in ("heads.csv", "corners.csv"):
        assert import_boxes_csv(folder / name, tmp_path / name).added == 1
        (record,) = HeadStore(tmp_path / name)
        boxes.append(record.box)
        assert (record.split, record.rotation, record.source) == ("unlabelled", None, "wild")
    assert boxes[0] == boxes[1]
    assert boxes[0][2] - boxes[0][0] == pytest.approx(40)


def test_other_columns_are_kept_and_heads_of_one_photo_get_names(folder: Path, tmp_path: Path) -> None:
    (folder / "heads.csv").write_text(
        "file,x,y,w,h,source,subject,split,note\n"
        "1.png,30,20,40,44,A,ann,train,first\n"
        "1.png,60,20,40,44,A,ben,val,second\n"
    )
    import_boxes_csv(folder, tmp_path / "store")
    first, second = HeadStore(tmp_path / "store")
    assert (first.id, second.id) == ("1.png", "1.png#1")
    assert (first.source, first.subject, first.split, first.extras) == ("A", "ann", "train", {"note": "first"})
    assert second.split == "val"


def test_broken_rows_are_left_out_and_listed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "heads.csv").write_text(
        "file,x,y,w,h\n0.png,30,20,40,44\n1.png,thirty,20,40,44\nmissing.png,1,1,9,9\n2.png,500,500,40,40\n2.png,3,3,0,9\n"
    )
    assert main(["prepare", "boxes", str(folder), str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    assert "1 heads added" in shown
    assert "4 left out" in shown
    again = import_boxes_csv(folder, tmp_path / "store")
    assert (again.added, again.present) == (0, 1)


@pytest.mark.parametrize("header", ["name,x,y,w,h", "file,x,y"])
def test_missing_columns_are_named(folder: Path, tmp_path: Path, header: str) -> None:
    (folder / "heads.csv").write_text(f"{header}\n" + ",".join("1" for _ in header.split(",")) + "\n")
    with pytest.raises(SourceError, match="needs the columns"):
        import_boxes_csv(folder, tmp_path / "store")


def test_no_file_or_several_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="0 CSV files"):
        import_boxes_csv(folder, tmp_path / "store")
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("file,x,y,w,h\n")
    with pytest.raises(SourceError, match="name the file itself"):
        import_boxes_csv(folder, tmp_path / "store")
