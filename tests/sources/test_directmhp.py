"""CMU Panoptic and AGORA in COCO-style JSON: full-range angles, scenes and splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from helpers.source_files import write_directmhp

from semiuhpe.errors import SourceError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.directmhp import import_agora, import_panoptic, scene_of

PANOPTIC = [f"{name}_00_0{i}_0001234{i}.jpg" for name in ("171204_pose3", "160906_pizza1") for i in range(2)]
AGORA = [
    "ag_trainset_3dpeople_bfh_flowers_5_15_00001_1280x720.png",
    "ag_trainset_3dpeople_bfh_flowers_5_15_00002_1280x720.png",
]


def test_angles_over_the_full_circle(tmp_path: Path) -> None:
    known = write_directmhp(
        tmp_path / "cmu",
        {"coco_style_sampled_train": PANOPTIC, "coco_style_sampled_val": ["170307_dance5_00_01_00000001.jpg"]},
    )
    report = import_panoptic(tmp_path / "cmu", tmp_path / "store", val=0.5)
    assert (report.added, report.rejected) == (10, [])
    for record in HeadStore(tmp_path / "store"):
        np.testing.assert_allclose(np.degrees(azimuth_elevation_tilt(label_of(record))), known[record.id], atol=1e-6)
        size = np.subtract(record.box[2:], record.box[:2])
        np.testing.assert_allclose(size, [50, 60])
        assert record.source == "Panoptic"
        assert (record.split == "test") == ("dance" in record.id)
    splits: dict[str, set[str]] = {}
    for record in HeadStore(tmp_path / "store"):
        splits.setdefault(record.subject, set()).add(record.split)
    assert set(splits) == {"Panoptic/171204_pose3", "Panoptic/160906_pizza1", "Panoptic/170307_dance5"}
    assert all(len(found) == 1 for found in splits.values())


def test_scenes() -> None:
    assert scene_of(AGORA[0]) == scene_of(AGORA[1]) == "ag_trainset_3dpeople_bfh_flowers_5_15"
    assert scene_of("170221_haggling_b1_00_03_00001.jpg") == "170221_haggling_b1"
    assert scene_of("0001.png") == "0001"


def test_agora_from_the_json_itself(tmp_path: Path) -> None:
    write_directmhp(tmp_path / "agora", {"agora_coco_style_train": AGORA})
    report = import_agora(
        tmp_path / "agora" / "annotations" / "agora_coco_style_train.json", tmp_path / "store", val=0.0
    )
    assert report.added == 4
    assert {(r.source, r.split) for r in HeadStore(tmp_path / "store")} == {("AGORA", "train")}


def test_broken_annotations(tmp_path: Path) -> None:
    write_directmhp(tmp_path / "a", {"train": ["a_1.jpg", "a_2.jpg"]})
    path = tmp_path / "a" / "annotations" / "train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["euler_angles"] = [1, 2]
    content["annotations"][1]["image_id"] = 99
    del content["annotations"][2]["bbox"]
    path.write_text(json.dumps(content))
    report = import_agora(tmp_path / "a", tmp_path / "store")
    assert (report.added, report.counts) == (1, {"annotation": 3})
    path.write_text("[]")
    with pytest.raises(SourceError, match=r"train\.json: no COCO-style JSON"):
        import_agora(tmp_path / "a", tmp_path / "other")
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no annotations here"):
        import_agora(tmp_path / "none", tmp_path / "other")
