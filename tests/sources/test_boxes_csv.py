"""Listed boxes: each form of the file in miniature, broken rows, and what a store then holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.geometry.euler import CONVENTIONS, euler_deg, from_euler_deg
from semiuhpe.geometry.rotation import to_quaternion
from semiuhpe.heads.store import HeadStore
from semiuhpe.poses.exchange import rows_to_csv
from semiuhpe.poses.head_poses import HeadPoses
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


POSE = from_euler_deg([10.0, 120.0, -20.0], "whenet")


def rotation_in(store: Path, index: int = 0) -> np.ndarray:
    rotation = HeadStore(store).record(index).rotation
    assert rotation is not None
    return rotation


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_angles_of_every_convention_state_the_same_pose(folder: Path, tmp_path: Path, convention: str) -> None:
    pitch, yaw, roll = euler_deg(POSE, convention)
    (folder / "heads.csv").write_text(
        f"file,x,y,w,h,pitch_deg,yaw_deg,roll_deg\n0.png,30,20,40,44,{pitch},{yaw},{roll}\n1.png,30,20,40,44,,,\n"
    )
    argv = ["prepare", "boxes", str(folder), str(tmp_path / "store"), "--convention", convention, "--val", "0"]
    assert main(argv) == 0
    np.testing.assert_allclose(rotation_in(tmp_path / "store"), POSE, atol=1e-9)
    first, second = HeadStore(tmp_path / "store")
    assert (first.split, first.extras) == ("train", {})
    assert (second.split, second.rotation) == ("unlabelled", None)


def test_angles_without_a_convention_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "heads.csv").write_text("file,x,y,w,h,pitch_deg,yaw_deg,roll_deg\n0.png,30,20,40,44,1,2,3\n")
    with pytest.raises(SourceError, match=r"--convention 300w-lp\|dad-3dheads"):
        import_boxes_csv(folder, tmp_path / "store")
    with pytest.raises(SourceError, match="unknown convention 'hopenet'"):
        import_boxes_csv(folder, tmp_path / "store", convention="hopenet")


def test_matrices_and_quaternions_are_in_the_canonical_frame(folder: Path, tmp_path: Path) -> None:
    x, y, z, w = -2 * to_quaternion(POSE)
    entries = [f"{v:.4f}" for v in POSE.ravel()]
    (folder / "heads.csv").write_text(
        "file,x,y,w,h,rotation,quaternion,qx,qy,qz,qw,"
        + ",".join(f"r{i}{j}" for i in range(3) for j in range(3))
        + "\n"
        f"0.png,30,20,40,44,{' '.join(entries)},,,,,,,,,,,,,,\n"
        f'0.png,30,20,40,44,"[[{", ".join(entries[:3])}], [{", ".join(entries[3:6])}], [{", ".join(entries[6:])}]]",,,,,,,,,,,,,,\n'
        f"1.png,30,20,40,44,,{x};{y};{z};{w},,,,,,,,,,,,,\n"
        f"1.png,30,20,40,44,,,{x},{y},{z},{w},,,,,,,,,\n"
        f"2.png,30,20,40,44,,,,,,,{','.join(entries)}\n"
    )
    report = import_boxes_csv(folder, tmp_path / "store")
    assert report.rejected == []
    for index in range(5):
        np.testing.assert_allclose(rotation_in(tmp_path / "store", index), POSE, atol=1e-3)


@pytest.mark.parametrize(
    "stated",
    ["1 0 0 0 1 0 0 0", "1 0 0 0 1 0 0 0 -1", "1 0 0 0 1 0 0 0 nan", "one 0 0 0 1 0 0 0 1", "2 0 0 0 2 0 0 0 2"],
)
def test_what_is_no_rotation_is_left_out(folder: Path, tmp_path: Path, stated: str) -> None:
    (folder / "heads.csv").write_text(f"file,x,y,w,h,rotation\n0.png,30,20,40,44,{stated}\n1.png,30,20,40,44,\n")
    report = import_boxes_csv(folder, tmp_path / "store")
    assert (report.added, report.counts) == (1, {"rotation": 1})


def test_auto_split_keeps_subjects_together_and_split_can_be_forced(folder: Path, tmp_path: Path) -> None:
    rows = "".join(f"{n % 3}.png,30,20,40,44,0 0 0 1,{'ab'[n % 2]}\n" for n in range(12))
    (folder / "heads.csv").write_text("file,x,y,w,h,quaternion,subject\n" + rows)
    import_boxes_csv(folder, tmp_path / "store", val=0.5)
    assert len({(r.subject, r.split) for r in HeadStore(tmp_path / "store")}) == 2
    import_boxes_csv(folder, tmp_path / "test", split="test")
    assert {r.split for r in HeadStore(tmp_path / "test")} == {"test"}
    with pytest.raises(SourceError, match="share from 0 to 1"):
        import_boxes_csv(folder, tmp_path / "other", val=2)


@pytest.mark.parametrize(
    "content",
    [
        [{"file": "0.png", "x": 30, "y": 20, "w": 40, "h": 44, "rotation": POSE.tolist()}],
        [{"file": "0.png", "box": [30, 20, 70, 64], "rotation": POSE.ravel().tolist()}],
        {"images": [{"file": "0.png", "heads": [{"box": [30, 20, 70, 64], "rotation": POSE.tolist()}]}]},
        {
            "images": [{"id": 3, "file_name": "0.png"}],
            "annotations": [
                {"id": 1, "image_id": 3, "category_id": 2, "bbox": [30, 20, 40, 44], "rotation": POSE.tolist()},
                {"id": 2, "image_id": 3, "category_id": 1, "bbox": [0, 0, 99, 80]},
                {"id": 3, "image_id": 3, "category_id": 2, "bbox": [0, 0, 99, 80], "iscrowd": 1},
            ],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "head"}],
        },
    ],
)
def test_every_form_of_json_lists_the_same_head(folder: Path, tmp_path: Path, content: Any) -> None:
    (folder / "heads.json").write_text(json.dumps(content))
    category = "head" if "annotations" in content else ""
    report = import_boxes_csv(folder / "heads.json", tmp_path / "store", category=category)
    assert (report.added, report.rejected) == (1, [])
    np.testing.assert_allclose(rotation_in(tmp_path / "store"), POSE, atol=1e-9)
    x1, y1, x2, y2 = HeadStore(tmp_path / "store").record(0).box
    assert (x2 - x1, y2 - y1) == pytest.approx((40, 44))


def test_a_plain_json_of_boxes(folder: Path, tmp_path: Path) -> None:
    (folder / "heads.json").write_text('{"0.png": [[30, 20, 70, 64], [1, 2, 41, 42, 0.75]], "1.png": []}')
    import_boxes_csv(folder / "heads.json", tmp_path / "store")
    first, second = HeadStore(tmp_path / "store")
    assert (first.id, first.extras) == ("0.png", {})
    assert (second.id, second.extras) == ("0.png#1", {"score": 0.75})


def test_heads_of_one_coco_photo_lie_together_and_keep_attributes(folder: Path, tmp_path: Path) -> None:
    notes = [{"id": n, "image_id": n % 2, "bbox": [30, 20, 40, 44], "attributes": {"hat": n}} for n in range(4)]
    images = [{"id": n, "file_name": f"{n}.png"} for n in range(2)]
    target = folder / "annotations"
    target.mkdir()
    (target / "a.json").write_text(json.dumps({"images": images, "annotations": notes}))
    argv = ["prepare", "boxes", str(target / "a.json"), str(tmp_path / "store"), "--images", str(folder / "images")]
    assert main([*argv, "--source", "Mine"]) == 0
    heads = list(HeadStore(tmp_path / "store"))
    assert [(head.id, head.extras["hat"]) for head in heads] == [
        ("0.png", 0),
        ("0.png#1", 2),
        ("1.png", 1),
        ("1.png#1", 3),
    ]
    assert {head.source for head in heads} == {"Mine"}


@pytest.mark.parametrize(
    "text",
    ["{", "3", '{"images": [{"file": "a"}], "annotations": 3}', '{"a.png": [[1, 2]]}', '{"images": [{"heads": [{}]}]}'],
)
def test_json_of_another_form_is_refused(folder: Path, tmp_path: Path, text: str) -> None:
    (folder / "heads.json").write_text(text)
    with pytest.raises(SourceError, match=r"heads\.json"):
        import_boxes_csv(folder / "heads.json", tmp_path / "store")


def test_our_own_predictions_can_be_imported(folder: Path, tmp_path: Path) -> None:
    heads = HeadPoses(
        rotation=POSE[None],
        box=np.array([[30.0, 20, 70, 64]]),
        detection_score=np.ones(1),
        expected_error_deg=np.ones(1),
        error_90_deg=np.ones(1),
        entropy=np.zeros(1),
    )
    (folder / "predictions.csv").write_text(
        rows_to_csv([{"file": "0.png", **row} for row in heads.to_rows()], ("300w-lp",), first=["file"])
    )
    import_boxes_csv(folder / "predictions.csv", tmp_path / "store")
    np.testing.assert_allclose(rotation_in(tmp_path / "store"), POSE, atol=1e-5)
