"""Heads labelled by a network: which labels are trusted, and how they reach the heads of each importer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.labels import label_of
from helpers.pictures_on_disk import read_bgr, records
from helpers.source_files import F, landmarks, picture, poses
from scipy.spatial.transform import Rotation

from semiuhpe.cli.main import main
from semiuhpe.errors import Rejected, SourceError
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.aflw_faces import import_aflw_faces
from semiuhpe.sources.mtfl import FIVE, import_mtfl, subject_of
from semiuhpe.sources.pose_labels import PoseLabels, pose_label
from semiuhpe.sources.pts68 import import_pts68

Row = dict[str, object]


def official(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """The pose of 300W-LP angles, spelled out: R6 = Rz(roll)·Ry(yaw)·Rx(pitch), R = F·R6ᵀ·F."""
    return F @ Rotation.from_euler("xyz", np.radians([pitch, yaw, roll])).as_matrix().T @ F


def row(file: str = "a.jpg", angles: tuple[float, float, float] = (5, -20, 3), **more: float) -> Row:
    named = dict(zip(("pitch_deg", "yaw_deg", "roll_deg"), angles, strict=True))
    return {"file": file, **named, "sigma_deg": 3.5, "spread_deg": 1.5, **more}


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        ({}, ""),
        ({"sigma_deg": 7.0, "spread_deg": 10.0, "yaw_hand_deg": 5.0}, ""),
        ({"sigma_deg": 7.01}, "sigma above 7°"),
        ({"spread_deg": 10.5}, "spread above 10°"),
        ({"yaw_hand_deg": -88.5, "yaw_deg": -86.0}, "hand-placed yaw beyond 88°"),
        ({"yaw_hand_deg": 6.0}, "more than 25° from the hand-placed yaw"),
        ({"yaw_hand_deg": -80.0, "yaw_deg": 280.5}, ""),  # angles go round
    ],
)
def test_what_is_trusted(more: dict[str, Any], doubt: str) -> None:
    label = pose_label(row(**more))
    assert (label.doubt, label.rotation is None) == (doubt, doubt != "")
    assert label.extras["label_sigma_deg"] == more.get("sigma_deg", 3.5)
    assert label.extras.get("label_doubt", "") == doubt
    if not doubt:
        yaw = more.get("yaw_deg", -20)
        assert label.rotation is not None
        np.testing.assert_allclose(label.rotation, official(5, yaw, 3), atol=1e-12)


@pytest.mark.parametrize("wrong", [{"sigma_deg": ""}, {"yaw_deg": "left"}, {"spread_deg": "nan"}])
def test_rows_that_are_no_labels(wrong: dict[str, str]) -> None:
    with pytest.raises(Rejected, match=r"a\.jpg"):
        pose_label({**row(), **wrong})


def test_listings(tmp_path: Path) -> None:
    labels = PoseLabels(write(tmp_path / "labels.csv", [row(), row("b.jpg", sigma_deg=9)]))
    assert labels.of("a.jpg").rotation is not None
    assert [labels.of(name).doubt for name in ("b.jpg", "c.jpg")] == ["sigma above 7°", "no row in the listing"]
    with pytest.raises(SourceError, match="no column sigma_deg"):
        PoseLabels(write(tmp_path / "other.csv", [{k: v for k, v in row().items() if k != "sigma_deg"}]))


def test_landmarked_faces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "faces"
    names = ("Ann_01", "Ann_02", "Ben_01")
    for number, rotation in enumerate(poses(3)):
        picture(root / "sub" / f"{names[number]}.jpg", seed=number)
        points = "\n".join(f"{x:.2f} {y:.2f}" for x, y in landmarks(rotation)[:, :2])
        (root / "sub" / f"{names[number]}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{points}\n}}\n")
    listing = write(tmp_path / "labels.csv", [row("sub/Ann_01.jpg"), row("sub/Ann_02.jpg", spread_deg=11)])
    assert main(["prepare", "pts68", str(root), str(tmp_path / "store"), "--labels", str(listing)]) == 0
    told = capsys.readouterr().out
    assert "without a label, spread above 10°: 1" in told and "without a label, no row in the listing: 1" in told
    heads = records(tmp_path / "store")
    ann = heads["sub/Ann_01"]
    np.testing.assert_allclose(label_of(ann), official(5, -20, 3), atol=1e-12)
    assert ann.split == split_by_subject("Ann", val=0.1)
    assert (ann.extras["label_sigma_deg"], ann.extras["file"]) == (3.5, "sub/Ann_01.jpg")
    for name in ("sub/Ann_02", "sub/Ben_01"):
        assert (heads[name].rotation, heads[name].split) == (None, "unlabelled")
    import_pts68(root, tmp_path / "fitted")
    for name, fitted in records(tmp_path / "fitted").items():  # the boxes are those of the landmarks
        assert fitted.box == heads[name].box
        assert "label_sigma_deg" not in fitted.extras and fitted.rotation is not None


def test_web_faces(tmp_path: Path) -> None:
    root = tmp_path / "web"
    files = ("lfw_5590_Ann_Lee_0001.jpg", "lfw_5590_Ann_Lee_0002.jpg", "net_7876_12_0_0.jpg")
    points = np.stack([landmarks(poses(2)[1])[list(group), :2].mean(axis=0) for group in FIVE])
    columns = [f"{axis}{number}" for number in range(1, 6) for axis in "xy"]
    for file in files:
        picture(root / "images" / file)
    five = dict(zip(columns, points.ravel(), strict=True))
    write(root / "labels.csv", [{"file": file, **five, "pose_class": 2} for file in files])
    listing = write(tmp_path / "labels.csv", [row(f"images/{file}", (0, 10, 0)) for file in files[:2]])
    report = import_mtfl(root, tmp_path / "store", labels=listing, val=0.5)
    assert report.unlabelled == {"no row in the listing": 1}
    assert json.loads((tmp_path / "store" / "import.json").read_text())["unlabelled"] == dict(report.unlabelled)
    first, second, third = records(tmp_path / "store").values()
    np.testing.assert_allclose(label_of(first), official(0, 10, 0), atol=1e-12)
    assert first.split == second.split == split_by_subject("lfw_5590_Ann_Lee", val=0.5)
    assert (third.rotation, third.split, third.subject) == (None, "unlabelled", "net_7876_12")
    assert first.extras["pose_class"] == "2"


def test_whom_a_web_face_is_named_after() -> None:
    assert subject_of("lfw_5590_Abdul_Majeed_Shobokshi_0001.jpg") == "lfw_5590_Abdul_Majeed_Shobokshi"
    assert subject_of("net_7876_1248_0_0.jpg") == subject_of("net_7876_1248_1_0.jpg") == "net_7876_1248"


def test_aflw_faces(tmp_path: Path) -> None:
    root = tmp_path / "AFLW_faces"
    rows = []
    for number in range(40):
        file = f"image{number:05d}.png"
        picture(root / "images" / file, 120, 120, seed=number // 2)  # everybody is there twice, once mirrored
        if number % 2:
            mirrored = read_bgr(root / "images" / file)[:, ::-1]
            cv2.imwrite(str(root / "images" / file), np.ascontiguousarray(mirrored))
        corners = {"x1": 20, "y1": -20, "x2": 100, "y2": 70}
        rows.append({**row(file, (0, number, 0)), **corners, "yaw_hand_deg": number, "visible": "frontal"})
    rows[4]["sigma_deg"] = 8
    rows[6]["x1"] = "left"
    write(root / "labels.csv", rows)
    report = import_aflw_faces(root, tmp_path / "store", val=0.3)
    assert (report.added, report.counts, report.unlabelled) == (39, {"row": 1}, {"sigma above 7°": 1})
    heads = records(tmp_path / "store")
    assert (heads["image00004.png"].rotation, heads["image00004.png"].split) == (None, "unlabelled")
    np.testing.assert_allclose(label_of(heads["image00010.png"]), official(0, 10, 0), atol=1e-12)
    assert heads["image00010.png"].extras == {
        "label_sigma_deg": 3.5,
        "label_spread_deg": 1.5,
        "yaw_hand_deg": 10.0,
        "visible": "frontal",
    }
    for number in range(8, 40, 2):
        first, second = heads[f"image{number:05d}.png"], heads[f"image{number + 1:05d}.png"]
        assert first.subject == second.subject == first.id
        assert first.split == second.split == split_by_subject(first.id, val=0.3)
    assert {head.split for head in heads.values()} == {"train", "val", "unlabelled"}
    with pytest.raises(SourceError, match="val is a share"):
        import_aflw_faces(root, tmp_path / "store", val=3)
