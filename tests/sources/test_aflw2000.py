"""AFLW2000: poses, boxes and the two published filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from helpers.source_files import F, skull_box, write_aflw2000
from scipy.io import loadmat, savemat

from semiuhpe.errors import SourceError
from semiuhpe.geometry.rotation import facing_direction, geodesic_distance
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.aflw2000 import import_aflw2000

ANGLES = [
    (0.0, 0.0, 0.0),
    (-10.0, 60.0, 5.0),
    (89.9, 0.0, 0.0),
    (90.0, 0.0, 0.0),
    (-99.0, 20.0, 0.0),
    (10.0, -99.5, 3.0),
]


def test_everybody_is_imported_for_testing_with_both_filters(tmp_path: Path) -> None:
    write_aflw2000(tmp_path / "AFLW2000", ANGLES)
    report = import_aflw2000(tmp_path, tmp_path / "store")
    assert (report.added, report.rejected) == (6, [])
    records = sorted(HeadStore(tmp_path / "store"), key=lambda r: r.id)
    assert {r.split for r in records} == {"test"}
    assert [r.extras["within_90"] for r in records] == [True, True, True, False, False, False]
    assert [r.extras["within_99"] for r in records] == [True, True, True, True, True, False]
    for record, angles in zip(records, ANGLES, strict=True):
        labelled = [record.extras[key] for key in ("pitch_deg", "yaw_deg", "roll_deg")]
        np.testing.assert_allclose(labelled, angles, atol=1e-5)


def test_poses_and_boxes(tmp_path: Path) -> None:
    write_aflw2000(tmp_path, ANGLES[:2])
    import_aflw2000(tmp_path, tmp_path / "store")
    frontal, turned = sorted(HeadStore(tmp_path / "store"), key=lambda r: r.id)
    np.testing.assert_allclose(label_of(frontal), np.eye(3), atol=1e-12)
    # Yaw 60: the face points to the image left and, with pitch −10, down.
    facing = facing_direction(label_of(turned))
    assert facing[0] < -0.8
    assert facing[1] > 0.05
    expected = skull_box(label_of(turned))
    size = np.subtract(turned.box[2:], turned.box[:2])
    np.testing.assert_allclose(size, expected[2:] - expected[:2], rtol=0.04)


def test_the_published_box_ignores_hidden_landmarks(tmp_path: Path) -> None:
    write_aflw2000(tmp_path, ANGLES[:1])
    points = loadmat(tmp_path / "image00002.mat")["pt2d"]
    seen = points[:, (points > 0).all(axis=0)]
    assert seen.shape[1] == points.shape[1] - 1
    import_aflw2000(tmp_path, tmp_path / "store", box="landmarks")
    (record,) = HeadStore(tmp_path / "store")
    width, height = np.ptp(seen, axis=1)
    longer = max(width, height)
    square = max(width + 0.4 * longer, height + 0.6 * longer)
    np.testing.assert_allclose(1.3 * np.subtract(record.box[2:], record.box[:2]), square)


def test_broken_annotations(tmp_path: Path) -> None:
    write_aflw2000(tmp_path, ANGLES[:4])
    savemat(tmp_path / "image00002.mat", {"Pose_Para": np.zeros((1, 7)), "pt3d_68": np.zeros((3, 5))})
    savemat(tmp_path / "image00003.mat", {"Pose_Para": np.full((1, 7), np.nan)})
    (tmp_path / "image00004.mat").write_bytes(b"x" * 300)
    report = import_aflw2000(tmp_path, tmp_path / "store")
    assert report.added == 1
    assert report.counts == {"annotation": 2, "landmarks": 1}
    assert all(head in reason for head, _, reason in report.rejected)
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no AFLW2000 here"):
        import_aflw2000(tmp_path / "none", tmp_path / "other")


def test_the_test_files_own_convention() -> None:
    """The helper of these tests against a pose by hand: yaw 90 points the face along camera −x."""
    from scipy.spatial.transform import Rotation

    r6 = Rotation.from_euler("xyz", [0, np.pi / 2, 0]).as_matrix()
    assert geodesic_distance(F @ r6.T @ F, [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]) < 1e-12
