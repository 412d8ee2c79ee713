"""BIWI: Kinect frames with their calibration, and FSA-Net's crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.labels import label_of
from helpers.source_files import write_biwi, write_biwi_npz

from semiuhpe.errors import SourceError
from semiuhpe.geometry.crop import crop_head
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import facing_direction, geodesic_distance
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.biwi import head_box, import_biwi, read_calibration

RGB_FROM_DEPTH = np.array(
    [[0.999947, 0.00432361, 0.00929419], [-0.00446314, 0.999877, 0.0150443], [-0.009228, -0.015085, 0.999844]]
)
SHIFT_MM = np.array([-24.0198, 5.8896, -13.2308])


def test_poses_are_those_of_the_files(tmp_path: Path) -> None:
    known = write_biwi(tmp_path, frames=4)
    report = import_biwi(tmp_path, tmp_path / "store")
    assert (report.added, report.rejected) == (8, [])
    for record in HeadStore(tmp_path / "store"):
        rotation, _ = known[record.id]
        assert np.degrees(geodesic_distance(label_of(record), rotation)) < 1e-3
        assert record.split == "test"
        angles = [record.extras[key] for key in ("pitch_deg", "yaw_deg", "roll_deg")]
        np.testing.assert_allclose(from_euler_deg(angles, "biwi"), rotation, atol=1e-5)
    # The second pose of the files has azimuth 35: the face points to the image left, and a little up.
    second = next(r for r in HeadStore(tmp_path / "store") if r.id == "01/frame_00004")
    facing = facing_direction(label_of(second))
    assert facing[0] == pytest.approx(-np.sin(np.radians(35)) * np.cos(np.radians(10)), abs=1e-5)
    assert facing[1] < 0
    assert second.extras["yaw_deg"] > 30


def test_the_box_is_a_head_in_the_colour_picture(tmp_path: Path) -> None:
    known = write_biwi(tmp_path, sequences=1, frames=1)
    calibration = read_calibration(tmp_path / "hpdb" / "01" / "rgb.cal")
    np.testing.assert_allclose(calibration.rotation, RGB_FROM_DEPTH)
    rotation, centre = known["01/frame_00003"]
    x1, y1, x2, y2 = head_box(calibration, rotation, centre)
    x, y, z = RGB_FROM_DEPTH @ centre + SHIFT_MM
    np.testing.assert_allclose([(x1 + x2) / 2, (y1 + y2) / 2], [517.679 * x / z + 320, 517.679 * y / z + 240.5], atol=4)
    # A head is 13 to 18 cm wide and 20 to 25 cm high.
    assert 130 < (x2 - x1) * z / 517.679 < 185
    assert 200 < (y2 - y1) * z / 517.679 < 250
    import_biwi(tmp_path, tmp_path / "store")
    (record,) = HeadStore(tmp_path / "store")
    np.testing.assert_allclose(np.subtract(record.box[2:], record.box[:2]), [x2 - x1, y2 - y1], rtol=1e-6)


def test_the_label_in_the_frame_of_the_colour_camera(tmp_path: Path) -> None:
    known = write_biwi(tmp_path, sequences=1)
    import_biwi(tmp_path, tmp_path / "store", camera="rgb")
    for record in HeadStore(tmp_path / "store"):
        expected = RGB_FROM_DEPTH @ known[record.id][0]
        assert np.degrees(geodesic_distance(label_of(record), expected)) < 0.01
        assert 0.5 < np.degrees(geodesic_distance(label_of(record), known[record.id][0])) < 2


def test_sequences_are_never_torn_apart(tmp_path: Path) -> None:
    write_biwi(tmp_path, sequences=12, frames=2)
    import_biwi(tmp_path, tmp_path / "store", train=0.6, val=0.3)
    splits: dict[str, set[str]] = {}
    for record in HeadStore(tmp_path / "store"):
        splits.setdefault(record.subject, set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {"train", "test"} <= set.union(*splits.values())


def test_fsa_net_crops(tmp_path: Path) -> None:
    rotations = write_biwi_npz(tmp_path / "BIWI_noTrack.npz", 6)
    report = import_biwi(tmp_path / "BIWI_noTrack.npz", tmp_path / "store")
    assert (report.added, report.rejected) == (6, [])
    store = HeadStore(tmp_path / "store")
    images = np.load(tmp_path / "BIWI_noTrack.npz")["image"]
    for index, (record, rotation) in enumerate(zip(store, rotations, strict=True)):
        assert np.degrees(geodesic_distance(label_of(record), rotation)) < 1e-6
        assert record.split == "test"
        # Our crop is the whole picture, and it is RGB.
        np.testing.assert_array_equal(crop_head(store.image(index), record.box, 64), images[index][..., ::-1])


def test_the_70_30_files_keep_their_split(tmp_path: Path) -> None:
    write_biwi_npz(tmp_path / "BIWI_train.npz", 5)
    write_biwi_npz(tmp_path / "BIWI_test.npz", 3)
    import_biwi(tmp_path, tmp_path / "store", val=0.0)
    splits = [r.split for r in HeadStore(tmp_path / "store")]
    assert (splits.count("train"), splits.count("test")) == (5, 3)
    import_biwi(tmp_path, tmp_path / "val", val=1.0)
    assert {r.split for r in HeadStore(tmp_path / "val")} == {"val", "test"}
    write_biwi_npz(tmp_path / "BIWI_noTrack.npz", 2)
    with pytest.raises(SourceError, match="name one file"):
        import_biwi(tmp_path, tmp_path / "both")


def test_broken_frames_and_folders(tmp_path: Path) -> None:
    write_biwi(tmp_path, sequences=1, frames=4)
    folder = tmp_path / "hpdb" / "01"
    (folder / "frame_00003_rgb.png").write_bytes(b"")
    (folder / "frame_00004_pose.txt").write_text("1 0 0\n0 1 0\n0 0 2\n\n0 0 900\n")
    (folder / "frame_00005_pose.txt").write_text("1 0 0\n0 1 0\n0 0 1\n\n0 0 -900\n")
    report = import_biwi(tmp_path, tmp_path / "store")
    assert report.added == 1
    assert report.counts == {"annotation": 2, "picture": 1}
    (folder / "rgb.cal").write_text("1 2 3")
    with pytest.raises(SourceError, match=r"rgb\.cal: 27 finite numbers"):
        import_biwi(tmp_path, tmp_path / "other")
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no BIWI here"):
        import_biwi(tmp_path / "none", tmp_path / "other")
    np.savez(tmp_path / "odd.npz", image=np.zeros((2, 64, 64, 3), np.uint8), pose=np.zeros((3, 3)))
    with pytest.raises(SourceError, match=r"odd\.npz"):
        import_biwi(tmp_path / "odd.npz", tmp_path / "odd_store")
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((4, 4, 3), np.uint8))
    np.savez(tmp_path / "objects.npz", image=np.array([{}], dtype=object), pose=np.zeros((1, 3)))
    with pytest.raises(SourceError, match=r"objects\.npz"):
        import_biwi(tmp_path / "objects.npz", tmp_path / "objects_store")
