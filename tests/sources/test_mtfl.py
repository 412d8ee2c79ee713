"""Five-point faces: the head's box follows the face, and a face that is none is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semiuhpe.errors import SourceError
from semiuhpe.geometry.rotation import from_azimuth_elevation_tilt
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.landmarks.face_model import default_face_model
from semiuhpe.sources.mtfl import FIVE, head_box_of_five_points, import_mtfl

HEADER = "file," + ",".join(f"x{i},y{i}" for i in range(1, 6)) + ",pose_class\n"


def five_points(angles_deg: tuple[float, float, float], scale: float = 25.0) -> np.ndarray:
    rotation = from_azimuth_elevation_tilt(*np.radians(angles_deg))
    seen = scale * (default_face_model().mean @ rotation.T)[:, :2] + [90, 100]
    return np.stack([seen[list(group)].mean(axis=0) for group in FIVE])


@pytest.mark.parametrize("angles", [(0, 0, 0), (40, 0, 0), (-40, 10, 20)])
def test_the_box_holds_the_whole_head(angles: tuple[float, float, float]) -> None:
    rotation = from_azimuth_elevation_tilt(*np.radians(angles))
    head = 25.0 * (default_face_model().head @ rotation.T)[:, :2] + [90, 100]
    expected = np.concatenate([head.min(axis=0), head.max(axis=0)])
    box = head_box_of_five_points(five_points(angles))
    assert np.abs(box - expected).max() < 0.12 * (expected[2] - expected[0])


def test_import_keeps_the_class_and_leaves_out_what_is_no_face(tmp_path: Path) -> None:
    root = tmp_path / "web"
    (root / "images").mkdir(parents=True)
    rows = []
    for name, points in (("a.jpg", five_points((20, 0, 0))), ("b.jpg", np.full((5, 2), 50.0))):
        Image.fromarray(np.full((200, 180, 3), 90, np.uint8)).save(root / "images" / name)
        rows.append(name + "," + ",".join(f"{v:.1f}" for v in points.ravel()) + ",2\n")
    (root / "labels.csv").write_text(HEADER + "".join(rows))
    report = import_mtfl(root, tmp_path / "store")
    assert report.added == 1
    assert report.counts == {"points": 1}
    (record,) = HeadStore(tmp_path / "store")
    assert (record.id, record.split, record.rotation, record.extras) == (
        "a.jpg",
        "unlabelled",
        None,
        {"pose_class": "2"},
    )


def test_a_folder_without_the_listing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.csv"):
        import_mtfl(tmp_path, tmp_path / "store")
    (tmp_path / "labels.csv").write_text("file,x1\na.jpg,3\n")
    with pytest.raises(SourceError, match="no column"):
        import_mtfl(tmp_path, tmp_path / "store")
