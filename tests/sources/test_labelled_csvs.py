"""WildDirections and the AFLW2000 subset: a labels.csv beside small pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.labels import label_of
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.errors import SourceError
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.sources.aflw2000_subset import import_aflw2000_subset
from semiuhpe.sources.wild_directions import import_wild_directions


def test_wild_directions(tmp_path: Path) -> None:
    for name in ("000.jpg", "003.jpg", "004.jpg"):
        save_picture(tmp_path / "images" / name, 150, 150, head=(25, 30, 125, 120))
    (tmp_path / "labels.csv").write_text(
        "file,photo,x1,y1,x2,y2,azimuth_deg\n000.jpg,PartB_01203,25,30,125,120,-180\n"
        "003.jpg,PartB_00026,25,30,125,120,150\n004.jpg,PartB_00027,25,30,125,120,\n"
    )
    report = import_wild_directions(tmp_path, tmp_path / "store")
    assert report.counts == {"row": 1}
    first, second = records(tmp_path / "store").values()
    assert first.extras == {"azimuth_deg": 180.0, "photo": "PartB_01203"}  # −180 is the same way
    assert second.extras["azimuth_deg"] == 150.0
    assert (first.split, first.rotation, first.subject) == ("test", None, "PartB_01203")
    np.testing.assert_allclose(first.box, white_box(tmp_path / "store", "000.jpg"), atol=1)


def test_aflw2000_subset(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        save_picture(tmp_path / "images" / name, 150, 150)
    (tmp_path / "labels.csv").write_text(
        "file,pitch_deg,yaw_deg,roll_deg\na.jpg,-16.761,-21.431,12.173\nb.jpg,nan,1,2\n"
    )
    report = import_aflw2000_subset(tmp_path, tmp_path / "store")
    assert (report.added, report.counts) == (1, {"row": 1})
    (head,) = records(tmp_path / "store").values()
    assert head.split == "test"
    assert head.box == (10.5, 4.5, 139.5, 133.5)
    np.testing.assert_allclose(euler_deg(label_of(head), "300w-lp"), [-16.761, -21.431, 12.173], atol=1e-9)
    assert head.extras == {"pitch_deg": -16.761, "yaw_deg": -21.431, "roll_deg": 12.173}
    # Yaw < 0 turns the face to the image right, pitch < 0 turns it down.
    facing = -label_of(head)[:, 2]
    assert facing[0] > 0.3
    assert facing[1] > 0.2


@pytest.mark.parametrize("importer", [import_wild_directions, import_aflw2000_subset])
def test_a_listing_without_its_columns_is_named(importer: Callable[[Path, Path], object], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"labels\.csv"):
        importer(tmp_path, tmp_path / "store")
    (tmp_path / "labels.csv").write_text("file,x1\na.jpg,3\n")
    with pytest.raises(SourceError, match="has no column"):
        importer(tmp_path, tmp_path / "store")
