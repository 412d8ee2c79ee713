from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.errors import SourceError
from semiuhpe.sources.crowdhuman import import_crowdhuman

HEAD = [40, 20, 40, 44]  # x, y, w, h
PHOTO = "273271,1017c000ac1360b7"


def odgt_box(hbox: list[int], tag: str = "person", **head: int) -> dict[str, object]:
    return {
        "tag": tag, "hbox": hbox, "head_attr": {"ignore": 0, "occ": 0, "unsure": 0, **head},
        "fbox": [0, 0, 90, 100], "vbox": [0, 0, 80, 90], "extra": {"box_id": 0, "occ": 0},
    }  # fmt: skip


def write_odgt(root: Path, part: str, boxes: list[dict[str, object]], photo: str = PHOTO) -> None:
    root.mkdir(exist_ok=True)
    with (root / f"annotation_{part}.odgt").open("a") as file:
        file.write(json.dumps({"ID": photo, "gtboxes": boxes}) + "\n")


def write_bfjdet(root: Path, part: str, notes: list[dict[str, object]]) -> None:
    root.mkdir(exist_ok=True)
    images = [{"id": 5, "file_name": f"{PHOTO}.jpg", "height": 120, "width": 160}]
    content = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "person"}]}
    (root / f"instances_{part}_full_bhf_new.json").write_text(json.dumps(content))


def note(identity: int, h_bbox: list[int], ignore: int = 0) -> dict[str, object]:
    return {
        "id": identity, "image_id": 5, "category_id": 1, "bbox": [0, 0, 90, 100], "h_bbox": h_bbox,
        "f_bbox": [0, 0, 1, 1], "ignore": ignore, "iscrowd": 0,
    }  # fmt: skip


def test_original_annotation(tmp_path: Path) -> None:
    root = tmp_path / "ch"
    save_picture(root / "Images" / f"{PHOTO}.jpg", head=(40, 20, 80, 64))
    write_odgt(
        root,
        "train",
        [
            odgt_box(HEAD),
            odgt_box(HEAD, ignore=1),
            odgt_box(HEAD, tag="mask"),
            odgt_box([0, 0, 29, 50]),
            odgt_box([-20, 10, 40, 40]),
            odgt_box([-90, 10, 40, 40]),
        ],
    )
    write_odgt(root, "val", [odgt_box(HEAD)], photo="not,downloaded")
    report = import_crowdhuman(root, tmp_path / "store")
    assert report.filtered == {"ignored": 1, "small": 1, "photo not there": 1}
    assert report.counts == {"box": 1}  # fully outside of the photo
    heads = records(tmp_path / "store")
    assert list(heads) == [f"train/{PHOTO}#{number}" for number in (0, 4)]
    np.testing.assert_allclose(heads[f"train/{PHOTO}#0"].box, white_box(tmp_path / "store", f"train/{PHOTO}#0"), atol=1)
    assert heads[f"train/{PHOTO}#4"].box[0] == -20
    assert heads[f"train/{PHOTO}#0"].extras == {"part": "train"}
    assert import_crowdhuman(root, tmp_path / "kept", keep_ignored=True, min_side=1).added == 4


def test_bfjdet_annotation_is_preferred(tmp_path: Path) -> None:
    root = tmp_path / "ch"
    save_picture(root / "yolov5_format" / "images" / "val" / f"{PHOTO}.jpg")
    write_odgt(root, "val", [odgt_box(HEAD)])
    write_bfjdet(root, "val", [note(8, HEAD, 1), note(9, [0, 0, 1, 1]), note(7, HEAD), note(6, [60, 20, 30, 30])])
    report = import_crowdhuman(root, tmp_path / "store")
    assert list(records(tmp_path / "store")) == ["val/6", "val/7"]
    assert report.filtered == {"ignored": 1, "no head box": 1}
    assert list(records(tmp_path / "store")["val/7"].extras.values()) == ["val"]
    import_crowdhuman(root, tmp_path / "original", annotations="odgt")
    assert list(records(tmp_path / "original")) == [f"val/{PHOTO}#0"]


def test_nothing_or_nonsense_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="annotation_train"):
        import_crowdhuman(tmp_path, tmp_path / "store")
    (tmp_path / "annotation_val.odgt").write_text('{"ID": "a", "gtboxes": []}\n\n{"ID": "b"}\n')
    with pytest.raises(SourceError, match="line 3"):
        import_crowdhuman(tmp_path, tmp_path / "store")
    (tmp_path / "instances_val_full_bhf_new.json").write_text('{"images": [], "annotations": [{"id": 1}]}')
    with pytest.raises(SourceError, match="BFJDet"):
        import_crowdhuman(tmp_path, tmp_path / "store")


def test_annotations_without_photos_are_an_error(tmp_path: Path) -> None:
    write_odgt(tmp_path / "ch", "train", [odgt_box(HEAD)])
    with pytest.raises(SourceError, match="none of their photos"):
        import_crowdhuman(tmp_path / "ch", tmp_path / "store")
