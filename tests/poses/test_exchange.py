"""HeadPoses to and from other forms, in the frames of a camera, and in a notebook."""

from __future__ import annotations

import gc
import io
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semiuhpe.errors import InputError, MissingExtraError
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.geometry.rotation import angle_between, geodesic_distance, random_rotations, rotation_x, rotation_y
from semiuhpe.poses.head_poses import HeadPoses


def heads(count: int = 4, tracked: bool = True) -> HeadPoses:
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 50, (count, 2))
    poses = HeadPoses(
        random_rotations(count, rng), np.concatenate([corner, corner + 20], axis=1), rng.random(count),
        rng.uniform(2, 60, count), rng.uniform(5, 90, count), -rng.random(count),
    )  # fmt: skip
    return replace(poses, track_id=np.arange(count) * 3 + 1) if tracked else poses


def alike(first: HeadPoses, second: HeadPoses) -> None:
    assert np.degrees(geodesic_distance(first.rotation, second.rotation)).max() < 1e-3
    for name in ("box", "detection_score", "expected_error_deg", "error_90_deg", "entropy", "track_id"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=0.01)


@pytest.mark.parametrize("tracked", [True, False])
def test_json_and_csv_come_back(tracked: bool) -> None:
    poses = heads(tracked=tracked)
    alike(HeadPoses.from_json(poses.to_json()), poses)
    alike(HeadPoses.from_csv(poses.to_csv()), poses)
    assert ("track_id" in poses.to_csv()) == tracked
    assert len(HeadPoses.from_csv(HeadPoses.empty().to_csv())) == 0
    for read, text in [(HeadPoses.from_json, "{"), (HeadPoses.from_json, '{"a": 1}'), (HeadPoses.from_csv, "x1\n3\n")]:
        with pytest.raises(InputError):
            read(text)


def test_pandas_is_used_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pandas")
    module.DataFrame = lambda rows, columns: (rows, columns)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", module)
    rows, columns = heads(3).to_pandas()
    assert len(rows) == 3
    assert set(columns) == set(rows[0])
    assert columns[0] == "track_id"
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"semiuhpe\[pandas\]"):
        heads(3).to_pandas()


def test_supervision_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("supervision")
    module.Detections = lambda **parts: types.SimpleNamespace(**parts)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", module)
    for tracked in (True, False):
        detections: Any = heads(tracked=tracked).to_supervision()
        assert (detections.tracker_id is not None) == tracked
        alike(HeadPoses.from_supervision(detections), heads(tracked=tracked))
    with pytest.raises(InputError):
        HeadPoses.from_supervision(types.SimpleNamespace(data={}, tracker_id=None))


def test_track_ids_follow_indexing_filtering_and_addition() -> None:
    poses = heads()
    kept = poses[poses.expected_error_deg < 30]
    assert kept.track_id.tolist() == poses.track_id[poses.expected_error_deg < 30].tolist()
    assert (poses[:1] + poses[2:]).track_id.tolist() == [1, 7, 10]
    assert poses[-1].track_id.tolist() == [10]
    assert heads(2, tracked=False).track_id.tolist() == [-1, -1]
    assert "track 4" in repr(poses)
    assert "track" not in repr(heads(tracked=False))
    with pytest.raises(InputError, match="track_id"):
        replace(poses, track_id=[1])


def test_a_ray_by_hand() -> None:
    matrix = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    # On the axis; one focal length to the right (45°); one down (45°).
    turn = axis_to_ray([[50, 40], [150, 40], [50, 140]], matrix)
    expected = np.stack([np.eye(3), rotation_y(np.pi / 4), rotation_x(-np.pi / 4)])
    np.testing.assert_allclose(turn, expected, atol=1e-12)


def test_rays_are_the_smallest_rotations_onto_the_points(rng: np.random.Generator) -> None:
    matrix = np.array([[700.0, 3, 320], [0, 650, 240], [0, 0, 1]])
    direction = rng.normal(size=(50, 3)) + [0, 0, 2]
    direction[:, 2] = np.abs(direction[:, 2]) + 0.1
    points = (direction / direction[:, 2:]) @ matrix.T
    turn = axis_to_ray(points[:, :2], matrix)
    np.testing.assert_allclose(turn @ np.swapaxes(turn, 1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turn), 1)
    assert angle_between(turn[:, :, 2], direction).max() < 1e-9
    smallest = angle_between(np.tile([0.0, 0, 1], (50, 1)), direction)
    np.testing.assert_allclose(geodesic_distance(turn, np.eye(3)), smallest, atol=1e-9)


def test_a_head_at_the_edge_that_faces_the_lens() -> None:
    matrix = np.array([[100.0, 0, 100], [0, 100, 100], [0, 0, 1]])
    box = [[190.0, 90, 210, 110]]
    poses = HeadPoses(np.eye(3)[None], box, np.ones(1), np.ones(1), np.ones(1), np.zeros(1))  # type: ignore[arg-type]
    seen = poses.relative_to_camera(matrix)
    assert seen.azimuth_deg[0] == pytest.approx(45)  # it must turn to the image left to look at the lens
    # Its gaze meets the lens: the head is at (1, 0, 1)·z, and looks along −(1, 0, 1).
    np.testing.assert_allclose(seen.facing[0], [-np.sqrt(0.5), 0, -np.sqrt(0.5)], atol=1e-12)
    np.testing.assert_allclose(seen.relative_to_ray(matrix).rotation, poses.rotation, atol=1e-12)
    for wrong in (np.eye(3)[:2], np.zeros((3, 3)), np.full((3, 3), np.nan), matrix.T):
        with pytest.raises(InputError, match="camera_matrix"):
            poses.relative_to_ray(wrong)


def test_a_notebook_shows_the_picture_while_it_is_known(tmp_path: Path) -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    poses = heads()
    assert poses._repr_png_() is None
    shown = poses.of_picture(image)
    png = shown[:2]._repr_png_()
    assert png is not None
    assert Image.open(io.BytesIO(png)).size == (120, 90)
    del image
    gc.collect()
    assert shown._repr_png_() is None  # heads do not keep pictures alive
    Image.fromarray(np.zeros((3000, 90, 3), np.uint8)).save(tmp_path / "a.png")
    png = poses.of_picture(tmp_path / "a.png")._repr_png_()
    assert png is not None
    assert max(Image.open(io.BytesIO(png)).size) == 1024
    (tmp_path / "a.png").unlink()
    assert poses.of_picture(tmp_path / "a.png")._repr_png_() is None
    assert poses.of_picture(b"bytes")._repr_png_() is None
