from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.sources.cocohead import import_cocohead

HEAD = (40, 20, 80, 64)


def person(identity: int, image: int, head: tuple[float, ...], visible: int) -> dict[str, object]:
    rest = [0] * 25  # face, both hands, both feet
    return {
        "id": identity, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 900.0, "bbox": [10, 10, 90, 100],
        "hier": [*head, visible, *rest],
    }  # fmt: skip


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    parts = {
        "train": [
            person(12, 9, HEAD, 1),
            person(11, 9, (0, 0, 29.9, 60), 2),
            person(13, 9, (0, 0, 0, 0), 0),
            person(14, 7, (5, 5, 45, 35), 2),
            person(15, 404, HEAD, 1),
            {"id": 16, "image_id": 9, "category_id": 2, "bbox": [1, 1, 5, 5], "iscrowd": 0},
        ],
        "val": [person(12, 9, HEAD, 2)],
    }
    for part, notes in parts.items():
        images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": 160, "height": 120} for i in (7, 9, 404)]
        for image in images[:2]:
            save_picture(root / f"{part}2017" / str(image["file_name"]), head=HEAD)
        content = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "person"}]}
        (root / "annotations" / f"person_humanparts_{part}2017.json").write_text(json.dumps(content))
    return root


def test_visible_heads_of_both_parts(coco: Path, tmp_path: Path) -> None:
    report = import_cocohead(coco, tmp_path / "store")
    assert report.rejected == []
    assert report.filtered == {"small": 1, "no visible head": 2, "photo not there": 1}
    heads = records(tmp_path / "store")
    assert list(heads) == ["train/14", "train/12", "val/12"]
    head = heads["train/12"]
    assert (head.source, head.split, head.subject, head.rotation) == ("COCOHead", "unlabelled", "000000000009", None)
    assert [h.extras for h in heads.values()] == [{"part": "train"}, {"part": "train"}, {"part": "val"}]
    np.testing.assert_allclose(head.box, white_box(tmp_path / "store", "train/12"), atol=1)


def test_the_size_filter_is_an_option_and_the_count_is_compared(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "cocohead", str(coco), str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    assert "filtered, small: 1" in shown
    assert "val: 1 heads, 3,013 expected (-3,012)" in shown
    assert "all: 3 heads, 74,128 expected" in shown
    argv = ["prepare", "cocohead", str(coco), str(tmp_path / "all"), "--min-side", "1", "--workers", "2"]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "4 heads added" in shown
    assert "expected" not in shown  # nothing is published for such heads


def test_one_part_is_enough_and_none_is_an_error(coco: Path, tmp_path: Path) -> None:
    (coco / "annotations" / "person_humanparts_train2017.json").unlink()
    assert import_cocohead(coco, tmp_path / "store").added == 1
    (coco / "annotations" / "person_humanparts_val2017.json").write_text('{"images": []}')
    with pytest.raises(SourceError, match="not a HumanParts annotation"):
        import_cocohead(coco, tmp_path / "other")
    (coco / "annotations" / "person_humanparts_val2017.json").unlink()
    with pytest.raises(SourceError, match="no HumanParts annotation"):
        import_cocohead(coco, tmp_path / "other")


def test_annotations_without_photos_are_an_error(coco: Path, tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        (coco / part).rename(tmp_path / part)
    with pytest.raises(SourceError, match="none of their photos"):
        import_cocohead(coco, tmp_path / "store")
