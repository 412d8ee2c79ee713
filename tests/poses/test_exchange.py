"""HeadPoses to and from other forms, in the frames of a camera, and in a notebook."""

from __future__ import annotations

import gc
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semiuhpe.errors import ImageError, InputError, MissingExtraError
from semiuhpe.geometry.ray import axis_to_ray
from semiuhpe.geometry.rotation import angle_between, geodesic_distance, random_rotations, rotation_x, rotation_y
from semiuhpe.poses.exchange import FIELDS, STORED, csv_columns, rows_to_csv
from semiuhpe.poses.head_poses import HeadPoses


def heads(count: int = 4, tracked: bool = True) -> HeadPoses:
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 50, (count, 2))
    poses = HeadPoses(
        rotation=random_rotations(count, rng),
        box=np.concatenate([corner, corner + 20], axis=1),
        detection_score=rng.random(count),
        expected_error_deg=rng.uniform(2, 60, count),
        error_90_deg=rng.uniform(5, 90, count),
        entropy=-rng.random(count),
    )
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
        replace(poses, track_id=np.array([1]))


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
    poses = HeadPoses(
        rotation=np.eye(3)[None],
        box=box,
        detection_score=np.ones(1),
        expected_error_deg=np.ones(1),
        error_90_deg=np.ones(1),
        entropy=np.zeros(1),
    )
    seen = poses.relative_to_camera(matrix)
    assert seen.azimuth_deg[0] == pytest.approx(45)  # it must turn to the image left to look at the lens
    # Its gaze meets the lens: the head is at (1, 0, 1)·z, and looks along −(1, 0, 1).
    np.testing.assert_allclose(seen.facing[0], [-np.sqrt(0.5), 0, -np.sqrt(0.5)], atol=1e-12)
    np.testing.assert_allclose(seen.relative_to_ray(matrix).rotation, poses.rotation, atol=1e-12)
    for wrong in (np.eye(3)[:2], np.zeros((3, 3)), np.full((3, 3), np.nan), matrix.T):
        with pytest.raises(InputError, match="camera_matrix"):
            poses.relative_to_ray(wrong)


def test_heads_of_several_pictures_are_never_poured_into_one() -> None:
    first, second = heads(2, tracked=False), heads(3, tracked=False)[1:]
    rows = [{"file": name, **row} for name, some in [("a.jpg", first), ("=b.jpg", second)] for row in some.to_rows()]
    text = rows_to_csv(rows, ("300w-lp",), first=["file"])
    with pytest.raises(InputError, match=r"heads of 2 pictures.*from_csv_by_picture"):
        HeadPoses.from_csv(text)
    found = HeadPoses.from_csv_by_picture(text)
    assert list(found) == ["a.jpg", "=b.jpg"]
    alike(found["a.jpg"], first)
    alike(found["=b.jpg"], second)
    alike(HeadPoses.from_csv(rows_to_csv(rows[:2], ("300w-lp",), first=["file"])), first)  # of one photo it is clear


def test_frames_of_a_video_are_known_by_their_number() -> None:
    rows = [{"frame": frame, "time_s": frame / 10, **row} for frame in (0, 7) for row in heads(2).to_rows()]
    text = rows_to_csv(rows, ("300w-lp",), first=["frame", "time_s", "track_id"])
    with pytest.raises(InputError, match=r"heads of 2 pictures \(0, 7"):
        HeadPoses.from_csv(text)
    found = HeadPoses.from_csv_by_picture(text)
    assert list(found) == [0, 7]
    alike(found[7], heads(2))
    assert list(HeadPoses.from_csv_by_picture(heads(1).to_csv())) == [None]


def test_every_form_follows_from_the_one_table() -> None:
    poses = heads(1)
    (written,), (row,) = poses.to_dict(), poses.to_rows()
    assert list(written) == [*(entry.in_dict for entry in FIELDS), "euler_deg", "track_id"]
    assert [name for name in row if name != "track_id"] == csv_columns(["300w-lp"])
    assert {entry.name for entry in STORED} | {"track_id"} == set(poses.arrays())
    for entry in FIELDS:
        value = getattr(poses, entry.name)
        assert value.shape == (1, *entry.shape)
        np.testing.assert_allclose(written[entry.in_dict], value[0], atol=0.51 * 10**-entry.digits)
        cells = [row[column] for column in entry.columns]
        assert not cells or cells == np.ravel(written[entry.in_dict]).tolist()


def test_minus_zero_is_not_written() -> None:
    assert "-0.0," not in HeadPoses.from_dict([{**heads(1).to_dict()[0], "rotation": np.eye(3).tolist()}]).to_csv()


def test_pictures_are_given_and_come_back_in_their_own_kind(tmp_path: Path) -> None:
    image, poses = np.zeros((90, 120, 3), np.uint8), heads()
    before = gc.get_referrers(image)
    drawn = poses.draw(image)
    assert drawn.any() and not image.any()
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(poses.draw(tmp_path / "a.png"), drawn)
    np.testing.assert_array_equal(poses.draw(str(tmp_path / "a.png")), drawn)
    shown = poses.draw(Image.fromarray(image))
    assert isinstance(shown, Image.Image)  # which a notebook shows
    np.testing.assert_array_equal(np.asarray(shown), drawn)
    assert len(gc.get_referrers(image)) <= len(before)  # heads do not keep pictures alive
    with pytest.raises(InputError, match=r"heads\.draw\(image\)"):
        poses.draw()  # type: ignore[call-overload]
    with pytest.raises(ImageError, match=r"nothing\.jpg"):
        poses.draw(tmp_path / "nothing.jpg")
