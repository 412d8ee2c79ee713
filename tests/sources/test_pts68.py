"""A miniature in the real format, with poses that are known; then the commands around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from PIL import Image

from semiuhpe.cli.main import main
from semiuhpe.errors import SemiUHPEError
from semiuhpe.geometry.rotation import azimuth_elevation_tilt, from_azimuth_elevation_tilt, geodesic_distance
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.landmarks.face_model import HAND_PITCH_DEG, default_face_model
from semiuhpe.sources.pts68 import import_pts68

POSES_DEG = {"Ann_01": (40, 0, 0), "Ann_02": (-40, 10, 0), "Ben_01": (0, -20, 15), "Cy_7": (5, 20, -10)}


def write_pts(path: Path, points: np.ndarray) -> None:
    body = "\n".join(f"{x:.2f} {y:.2f}" for x, y in points)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{body}\n}}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    (root / "sub").mkdir(parents=True)
    for number, (name, angles) in enumerate(POSES_DEG.items()):
        rotation = from_azimuth_elevation_tilt(*np.radians(angles))
        points = 30 * (default_face_model().mean @ rotation.T)[:, :2] + [100, 110]
        target = root / ("sub" if number % 2 else "") / name
        Image.fromarray(np.full((200, 220, 3), 40 * number, np.uint8)).save(target.with_suffix(".jpg"))
        write_pts(target.with_suffix(".pts"), points)
    return root


def test_poses_boxes_and_people(folder: Path, tmp_path: Path) -> None:
    report = import_pts68(folder, tmp_path / "store", placed="network")
    assert (report.added, report.rejected) == (4, [])
    store = HeadStore(tmp_path / "store")
    for record in store:
        name = record.id.split("/")[-1]
        expected = from_azimuth_elevation_tilt(*np.radians(POSES_DEG[name]))
        assert np.degrees(geodesic_distance(label_of(record), expected)) < 1
        x1, y1, x2, y2 = record.box
        assert 60 < x2 - x1 < 140  # the whole head, not the face alone
        assert 80 < y2 - y1 < 170
    splits = {r.id.split("/")[-1]: r.split for r in store}
    assert splits["Ann_01"] == splits["Ann_02"]


def test_landmarks_placed_by_people_are_turned_into_the_official_frame(folder: Path, tmp_path: Path) -> None:
    import_pts68(folder, tmp_path / "hand")
    import_pts68(folder, tmp_path / "network", placed="network")
    for hand, network in zip(HeadStore(tmp_path / "hand"), HeadStore(tmp_path / "network"), strict=True):
        np.testing.assert_allclose(geodesic_distance(label_of(hand), label_of(network)), np.radians(HAND_PITCH_DEG))
        elevation = [azimuth_elevation_tilt(label_of(record))[1] for record in (hand, network)]
        assert elevation[0] < elevation[1]  # people's landmarks seem to look up


def test_broken_files_are_left_out_and_the_rest_is_done(folder: Path, tmp_path: Path) -> None:
    (folder / "Ann_01.pts").write_text("version: 1\nn_points: 2\n{\n1 2\n}\n")
    (folder / "Ben_01.jpg").write_bytes(b"no picture")
    report = import_pts68(folder, tmp_path / "store")
    assert report.added == 2
    assert len(report.rejected) == 2
    again = import_pts68(folder, tmp_path / "store")
    assert (again.added, again.present) == (0, 2)
    (tmp_path / "none").mkdir()
    with pytest.raises(SemiUHPEError, match=r"\.pts"):
        import_pts68(tmp_path / "none", tmp_path / "other")


def test_prepare_and_inspect(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, sheet = tmp_path / "store", tmp_path / "sheet.jpg"
    assert main(["prepare", "pts68", str(folder), str(store)]) == 0
    assert "4 heads added" in capsys.readouterr().out
    assert main(["inspect", str(store), "--sheet", str(sheet)]) == 0
    text = capsys.readouterr().out
    assert "4 heads, 4 with a rotation" in text
    assert "azimuth (degrees)" in text
    assert Image.open(sheet).size[0] > 128
    assert main(["inspect", str(tmp_path / "nothing")]) == 1
    assert "no head store" in capsys.readouterr().err
