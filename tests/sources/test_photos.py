"""Own photos: whose heads a detector finds, and ready crops."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.cli.main import main
from semiuhpe.errors import ImageError
from semiuhpe.geometry.crop import MARGIN
from semiuhpe.sources import photos
from semiuhpe.sources.apart import box_of_crop
from semiuhpe.sources.photos import import_photos

DEMO = Path(__file__).resolve().parents[2] / "docs" / "demo"


class WhiteRectangles:
    """A detector that finds the white rectangle of a picture, and a small second head in its corner."""

    looked = 0

    def __init__(self, weights: str, **settings: object) -> None:
        self.weights = type("Weights", (), {"sha256": "0" * 64})()

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        WhiteRectangles.looked += 1
        rows, columns = np.nonzero(image[..., 1] > 158)
        if not len(rows):
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return np.array([[0, 0, 31, 30], box, [0, 0, 20, 40]], np.float32), np.array([0.5, 0.75, 0.6], np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(photos, "HeadDetector", WhiteRectangles)
    WhiteRectangles.looked = 0
    root = tmp_path / "album"
    save_picture(root / "a.png", head=(60, 40, 110, 100))
    save_picture(root / "trip" / "b.png", head=(50, 30, 100, 90))
    save_picture(root / "empty.png")
    return root


def test_detected_heads(folder: Path, tmp_path: Path) -> None:
    report = import_photos(folder, tmp_path / "store", workers=2)
    assert (report.added, report.filtered) == (4, {"photo without heads": 1})
    heads = records(tmp_path / "store")
    assert list(heads) == ["a.png", "a.png#1", "trip/b.png", "trip/b.png#1"]
    head = heads["a.png#1"]
    assert (head.source, head.split, head.subject, head.extras) == (
        "album",
        "unlabelled",
        "a.png",
        {"detection_score": 0.75},
    )
    np.testing.assert_allclose(head.box, white_box(tmp_path / "store", "a.png#1"), atol=1)


@pytest.mark.skipif(sys.platform == "win32", reason="file names are text there")
def test_long_names_and_names_that_are_no_text(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        for name in (b"\xff\xfe.png", b"n" * 251 + b".png"):
            os.rename(save_picture(folder / "c.png", head=(60, 40, 110, 100)), os.path.join(os.fsencode(folder), name))
        Path(os.fsdecode(os.fsencode(folder) + b"/b\xe9.png")).write_bytes(b"broken")
    except OSError:
        pytest.skip("this file system does not take such names")
    for _ in range(2):
        assert main(["prepare", "photos", str(folder), str(tmp_path / "store")]) == 0
    names = set(records(tmp_path / "store"))
    assert {"a.png", "\\xff\\xfe.png", "\\xff\\xfe.png#1", "n" * 251 + ".png"} <= names
    assert "0 heads added, 4 were there, 1 left out" in capsys.readouterr().out
    (rejected,) = json.loads((tmp_path / "store" / "import.json").read_text(encoding="utf-8"))["rejected"]
    assert rejected["id"] == "b\\xe9.png"


def test_photos_that_are_done_are_not_looked_at_again(folder: Path, tmp_path: Path) -> None:
    import_photos(folder, tmp_path / "store")
    assert WhiteRectangles.looked == 3
    again = import_photos(folder, tmp_path / "store")
    assert (again.added, again.present, WhiteRectangles.looked) == (0, 2, 4)  # the empty one is


def test_the_size_filter(folder: Path, tmp_path: Path) -> None:
    assert import_photos(folder, tmp_path / "store", min_side=1).added == 6
    large = import_photos(folder, tmp_path / "large", min_side=55)
    assert large.filtered == {"photo with small heads only": 2, "photo without heads": 1}


def test_ready_crops(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "photos", str(folder), str(tmp_path / "store"), "--crops", "--source", "Mine"]) == 0
    assert "3 heads added" in capsys.readouterr().out
    assert WhiteRectangles.looked == 0
    heads = records(tmp_path / "store")
    assert list(heads) == ["a.png", "empty.png", "trip/b.png"]
    # The network's crop of the recorded box is the picture again: side (160 + 120) / 2 around its centre.
    x1, y1, x2, y2 = heads["a.png"].box
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((80, 60))
    assert MARGIN * (x2 - x1) == pytest.approx(140)
    assert MARGIN * (y2 - y1) == pytest.approx(140)
    assert box_of_crop(160, 120) == pytest.approx(heads["a.png"].box)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="none"):
        import_photos(tmp_path / "none", tmp_path / "store")


def test_the_embedded_detector_finds_the_heads_of_the_demo(tmp_path: Path) -> None:
    photo = next(iter(sorted(DEMO.glob("astronaut*"))))
    # From 0.5, a patch of the suit passes for a head; the import asks the detector alone.
    assert import_photos(photo, tmp_path / "store", workers=1, score_threshold=0.7).added == 1
    ((identity, head),) = records(tmp_path / "store").items()
    assert identity.endswith(photo.name)
    assert head.extras["detection_score"] > 0.9
