"""300W-LP: poses and boxes of projected faces, mirrored copies, the published clip and box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from helpers.source_files import landmarks, mirrored_landmarks, picture, pose_para, skull_box, write_300w_lp
from scipy.io import savemat

from semiuhpe.errors import SourceError
from semiuhpe.geometry.boxes import iou
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt, geodesic_distance
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.w300lp import import_300w_lp


def test_poses_boxes_and_mirrored_copies(tmp_path: Path) -> None:
    known = write_300w_lp(tmp_path / "300W_LP", faces=3, copies=2)
    report = import_300w_lp(tmp_path / "300W_LP", tmp_path / "store")
    assert (report.added, report.rejected) == (24, [])
    store = HeadStore(tmp_path / "store")
    assert {r.id for r in store} == set(known)
    for index, record in enumerate(store):
        assert np.degrees(geodesic_distance(label_of(record), known[record.id])) < 1e-6
        # The stored picture is cut at the photo's border, so only sizes are compared here.
        expected = skull_box(known[record.id])
        size = np.array(record.box[2:]) - record.box[:2]
        np.testing.assert_allclose(size, expected[2:] - expected[:2], rtol=0.04)
        assert record.extras["fit_residual"] < 0.02
        assert record.extras["mirrored"] == ("_Flip" in record.id)
        assert store.image(index).shape[2] == 3


def test_the_box_is_where_the_head_is(tmp_path: Path) -> None:
    """A head in the middle of a large photo: from the stored crop's size and the box in it the box in the photo follows."""
    root, (width, height) = tmp_path / "300W_LP", (1400, 1200)
    rotation = from_azimuth_elevation_tilt(0.9, 0.2, 0.1)
    points = landmarks(rotation, 40.0, (700.0, 600.0))
    for folder in ("AFW", "AFW_Flip"):
        picture(root / folder / "AFW_1_1_0.jpg", height, width)
    savemat(root / "AFW" / "AFW_1_1_0.mat", {"Pose_Para": pose_para(rotation)[None], "pt2d": points[:, :2].T})
    flipped = mirrored_landmarks(points, width)
    angles = pose_para(rotation) * [1, -1, -1]
    savemat(root / "AFW_Flip" / "AFW_1_1_0.mat", {"Pose_Para": angles[None], "pt2d": flipped.T})
    import_300w_lp(root, tmp_path / "store")
    expected = skull_box(rotation, 40.0, (700.0, 600.0))
    one, two = HeadStore(tmp_path / "store")
    side = np.mean(expected[2:] - expected[:2])
    centre = (expected[:2] + expected[2:]) / 2
    corner = np.floor(centre - 1.3 * side)
    in_photo = np.array(one.box) + np.tile(corner, 2)
    assert iou([in_photo], [expected])[0, 0] > 0.93
    # The same head, mirrored: same size, and the middle of the stored crop both times.
    np.testing.assert_allclose(np.subtract(two.box[2:], two.box[:2]), np.subtract(one.box[2:], one.box[:2]), rtol=0.01)
    np.testing.assert_allclose(np.add(two.box[2:], two.box[:2]), np.add(one.box[2:], one.box[:2]), atol=4)


def test_all_copies_of_a_face_share_a_split(tmp_path: Path) -> None:
    write_300w_lp(tmp_path / "lp", faces=8, copies=2)
    import_300w_lp(tmp_path / "lp", tmp_path / "store", val=0.4)
    splits: dict[str, set[str]] = {}
    for record in HeadStore(tmp_path / "store"):
        splits.setdefault(record.subject, set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) == 16
    assert {"train", "val"} == set.union(*splits.values())
    import_300w_lp(tmp_path / "lp", tmp_path / "all", val=0.0)
    assert {r.split for r in HeadStore(tmp_path / "all")} == {"train"}


def test_poses_beyond_90_degrees_are_kept_unless_the_published_clip_is_asked_for(tmp_path: Path) -> None:
    root = tmp_path / "lp"
    picture(root / "IBUG" / "IBUG_1_0.jpg")
    angles = np.radians([[5.0, 96.0, -370.0]])
    pose = from_azimuth_elevation_tilt(np.radians(85), 0, 0)
    savemat(root / "IBUG" / "IBUG_1_0.mat", {"Pose_Para": angles, "pt2d": landmarks(pose)[:, :2].T})
    import_300w_lp(root, tmp_path / "kept", box="landmarks")
    import_300w_lp(root, tmp_path / "clipped", box="landmarks", clip_angles=True)
    (kept,), (clipped,) = HeadStore(tmp_path / "kept"), HeadStore(tmp_path / "clipped")
    np.testing.assert_allclose(euler_deg(label_of(clipped), "300w-lp"), [5, 89.99, -10], atol=1e-6)
    # 5, 96, −10 folds to 180 − 96 with pitch and roll half a turn on.
    np.testing.assert_allclose(euler_deg(label_of(kept), "300w-lp"), [-175, 84, 170], atol=1e-6)


def test_the_published_box(tmp_path: Path) -> None:
    """Margins of 0.3 of the longer side, twice that above, then a square: our crop must be that square."""
    root = tmp_path / "lp"
    picture(root / "LFPW" / "LFPW_1_0.jpg", 1000, 1000)
    points = np.random.default_rng(0).uniform([430, 400], [480, 480], (68, 2))
    points[:2] = [[430, 400], [480, 480]]
    savemat(root / "LFPW" / "LFPW_1_0.mat", {"Pose_Para": np.zeros((1, 7)), "pt2d": points.T})
    import_300w_lp(root, tmp_path / "store", box="landmarks")
    (record,) = HeadStore(tmp_path / "store")
    published = 80 * (1 + 3 * 0.3)  # height is the longer side, and the rectangle is higher than wide
    np.testing.assert_allclose(1.3 * np.subtract(record.box[2:], record.box[:2]), published)


def test_broken_heads_are_left_out_and_listed(tmp_path: Path) -> None:
    root = tmp_path / "lp"
    write_300w_lp(root, faces=2, copies=2, subs=("AFW",))
    (root / "AFW" / "AFW_1000_1_0.mat").unlink()
    (root / "AFW" / "AFW_1000_1_1.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(200))
    (root / "AFW" / "AFW_1001_1_0.jpg").write_bytes(b"no picture")
    (root / "landmarks" / "AFW" / "AFW_1001_1_1_pts.mat").unlink()
    report = import_300w_lp(root, tmp_path / "store")
    # The mirrored copy of the last one has lost its landmarks too.
    assert report.added == 3
    assert report.counts == {"annotation": 2, "landmarks": 2, "picture": 1}
    reasons = {head: reason for head, _, reason in report.rejected}
    assert "save it with -v7" in reasons["AFW/AFW_1000_1_1"]
    assert "AFW_1001_1_1" in reasons["AFW_Flip/AFW_1001_1_1"]
    again = import_300w_lp(root, tmp_path / "store")
    assert (again.added, again.present) == (0, 3)


def test_another_folder_and_another_box_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no 300W-LP here"):
        import_300w_lp(tmp_path, tmp_path / "store")
    with pytest.raises(SourceError, match="box must be one of head, landmarks"):
        import_300w_lp(tmp_path, tmp_path / "store", box="face")
