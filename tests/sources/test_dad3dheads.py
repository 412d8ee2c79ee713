"""DAD-3DHeads: poses over the full range from model-view matrices, splits and attributes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from helpers.source_files import model_view, write_dad

from semiuhpe.errors import SourceError
from semiuhpe.geometry.rotation import facing_direction, geodesic_distance, random_rotations
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.dad3dheads import import_dad_3dheads, rotation_of


def test_poses_splits_and_attributes(tmp_path: Path) -> None:
    known = write_dad(tmp_path / "dad", train=12, val=3, test=2)
    report = import_dad_3dheads(tmp_path / "dad", tmp_path / "store", val=0.3)
    assert (report.added, report.rejected) == (17, [])
    behind = 0
    for record in HeadStore(tmp_path / "store"):
        official = record.id.split("/")[0]
        assert record.extras["official_split"] == official
        assert record.split in ({"train": ("train", "val")}.get(official, ("test",)))
        if official == "test":
            assert record.rotation is None
            continue
        truth = known[record.id]
        assert truth is not None and np.degrees(geodesic_distance(label_of(record), truth)) < 1e-6
        behind += facing_direction(label_of(record))[2] > 0
        assert record.extras["standard_light"] is True
        assert record.extras["pose"] == "front"
    assert behind > 2
    splits = [r.split for r in HeadStore(tmp_path / "store")]
    assert splits.count("val") > 0


def test_the_nose_of_the_mesh_is_where_the_pose_says(tmp_path: Path) -> None:
    """The pose against the picture: the vertices, projected by both matrices of the annotation, as OpenGL draws them."""
    known = write_dad(tmp_path / "dad", train=8, val=0, test=0)
    import_dad_3dheads(tmp_path / "dad", tmp_path / "store")
    for record in HeadStore(tmp_path / "store"):
        item = json.loads((tmp_path / "dad/train/annotations" / f"{record.extras['item_id']}.json").read_text())
        vertices = np.array(item["vertices"])
        # The foremost point on the axis of the face, and the middle of the head behind it.
        pair = np.array([[0, 0, vertices[:, 2].max(), 1], [0, 0, vertices[:, 2].min(), 1]])
        clip = pair @ (np.array(item["projection_matrix"]) @ np.array(item["model_view_matrix"])).T
        seen = (clip[:, :2] / clip[:, 3:] * [1, -1] + 1) / 2 * 400
        truth = known[record.id]
        assert truth is not None
        facing = facing_direction(truth)[:2]
        direction = (seen[0] - seen[1]) / np.linalg.norm(seen[0] - seen[1])
        if np.linalg.norm(facing) > 0.4:
            assert direction @ (facing_direction(label_of(record))[:2] / np.linalg.norm(facing)) > 0.95


def test_scaled_matrices_and_nonsense() -> None:
    for rotation in random_rotations(20, np.random.default_rng(0)):
        matrix = model_view(rotation)
        matrix[:3, :3] *= 1.7
        assert np.degrees(geodesic_distance(rotation_of(matrix), rotation)) < 1e-6
    with pytest.raises(ValueError, match="4 × 4"):
        rotation_of(np.eye(3))
    for broken in (np.diag([1.0, 1.0, -1.0, 1.0]), np.diag([1.0, 2.0, 1.0, 1.0]), np.zeros((4, 4))):
        with pytest.raises(ValueError, match="no rotation"):
            rotation_of(broken)


def test_boxes_are_kept_as_given(tmp_path: Path) -> None:
    write_dad(tmp_path / "dad", train=4, val=0, test=0)
    import_dad_3dheads(tmp_path / "dad", tmp_path / "store")
    items = {i["item_id"]: i["bbox"] for i in json.loads((tmp_path / "dad/train/train.json").read_text())}
    for record in HeadStore(tmp_path / "store"):
        size = np.subtract(record.box[2:], record.box[:2])
        np.testing.assert_allclose(size, items[record.extras["item_id"]][2:], rtol=1e-6)


def test_broken_items_and_folders(tmp_path: Path) -> None:
    write_dad(tmp_path / "dad", train=4, val=1, test=0)
    train = tmp_path / "dad" / "train"
    (train / "annotations" / "train0000.json").write_text("{}")
    (train / "images" / "train0001.png").unlink()
    items = json.loads((train / "train.json").read_text())
    items[2]["bbox"] = [1, 2]
    (train / "train.json").write_text(json.dumps(items))
    report = import_dad_3dheads(tmp_path / "dad", tmp_path / "store")
    assert report.added == 2
    assert report.counts == {"annotation": 1, "box": 1, "picture": 1}
    (train / "train.json").write_text("[1]")
    with pytest.raises(SourceError, match=r"train\.json: expected a list"):
        import_dad_3dheads(tmp_path / "dad", tmp_path / "other")
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no DAD-3DHeads here"):
        import_dad_3dheads(tmp_path / "none", tmp_path / "other")
