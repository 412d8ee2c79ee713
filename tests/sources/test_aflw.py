"""AFLW: which faces are imported, and that their boxes hold the whole head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.source_files import landmarks, skull_box, write_aflw
from scipy.io import savemat

from semiuhpe.errors import SourceError
from semiuhpe.geometry.boxes import iou
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.aflw import LANDMARKS_19, box_of_landmarks, import_aflw


def test_faces_of_test_pictures_are_left_out(tmp_path: Path) -> None:
    known = write_aflw(tmp_path, 6)
    report = import_aflw(tmp_path, tmp_path / "store")
    assert report.rejected == []
    records = {r.id: r for r in HeadStore(tmp_path / "store")}
    assert set(records) == {*list(known)[1:], "0/image00007.jpg#1"}
    assert all(r.split == "unlabelled" and r.rotation is None for r in records.values())
    assert records["0/image00003.jpg"].extras == {"file": "0/image00003.jpg", "visible": 19, "box_from": "head"}
    assert records["0/image00004.jpg"].extras["visible"] == 17
    for name in ("0/image00003.jpg", "0/image00004.jpg"):
        size = np.subtract(records[name].box[2:], records[name].box[:2])
        expected = skull_box(known[name])
        np.testing.assert_allclose(size, expected[2:] - expected[:2], rtol=0.12)


@pytest.mark.parametrize("angles", [(0, 0, 0), (50, 0, 10), (-70, 15, 0), (0, -30, -30)])
def test_the_box_holds_the_whole_head(angles: tuple[float, float, float]) -> None:
    rotation = from_azimuth_elevation_tilt(*np.radians(angles))
    points = landmarks(rotation)[:, :2]
    nineteen = np.stack([points[list(group)].mean(axis=0) for group in LANDMARKS_19])
    visible = np.ones(19, bool)
    visible[[0, 6, 15]] = False
    nineteen[~visible] = -1
    box = box_of_landmarks(nineteen, visible)
    assert box is not None
    assert iou([box], [skull_box(rotation)])[0, 0] > 0.9
    assert box_of_landmarks(nineteen, np.arange(19) < 5) is None
    scattered = np.random.default_rng(0).uniform(0, 300, (19, 2))
    assert box_of_landmarks(scattered, np.ones(19, bool)) is None


def test_the_published_box_and_names_from_a_folder(tmp_path: Path) -> None:
    write_aflw(tmp_path, 3)
    (tmp_path / "AFLW2000.txt").unlink()
    with pytest.raises(SourceError, match=r"AFLW2000\.txt"):
        import_aflw(tmp_path, tmp_path / "store")
    (tmp_path / "test_set").mkdir()
    (tmp_path / "test_set" / "image00003.jpg").write_bytes(b"")
    import_aflw(tmp_path, tmp_path / "store", box="landmarks", exclude=str(tmp_path / "test_set"))
    records = list(HeadStore(tmp_path / "store"))
    assert {r.id for r in records} == {"0/image00002.jpg", "0/image00004.jpg", "0/image00004.jpg#1"}
    for record in records:
        width, height = np.subtract(record.box[2:], record.box[:2])
        assert width == pytest.approx(height)
        assert record.extras["box_from"] == "landmarks"


def test_malformed_listings(tmp_path: Path) -> None:
    write_aflw(tmp_path, 2)
    (tmp_path / "flickr" / "0" / "image00003.jpg").unlink()
    report = import_aflw(tmp_path, tmp_path / "store")
    assert (report.added, report.counts) == (0, {"picture": 2})
    savemat(
        tmp_path / "AFLWinfo_release.mat",
        {"nameList": np.zeros((2, 1)), "data": np.zeros((2, 10)), "mask_new": np.zeros((2, 19))},
    )
    with pytest.raises(SourceError, match="n × 38"):
        import_aflw(tmp_path, tmp_path / "other")
    (tmp_path / "AFLWinfo_release.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200))
    with pytest.raises(SourceError, match="-v7"):
        import_aflw(tmp_path, tmp_path / "other")
    (tmp_path / "AFLWinfo_release.mat").unlink()
    with pytest.raises(SourceError, match=r"AFLWinfo_release\.mat"):
        import_aflw(tmp_path, tmp_path / "other")
