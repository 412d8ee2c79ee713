from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError, StoreError
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.pointing04 import BOXES, head_box_of_face, import_pointing04


def write(folder: Path, name: str, face: str = "Face\n92\n145\n84\n108\n") -> None:
    save_picture(folder / f"{name}.jpg", 384, 288)
    (folder / f"{name}.txt").write_text(f"{name}.jpg\n\n{face}")


def test_directions_and_boxes(tmp_path: Path) -> None:
    write(tmp_path / "Pointing04" / "Person04", "person04165+15+90")
    write(tmp_path / "Pointing04" / "Person04", "person04200-30-15")
    with pytest.warns(UserWarning, match=BOXES):
        report = import_pointing04(tmp_path / "Pointing04", tmp_path / "store")
    assert (report.added, report.rejected) == (2, [])
    first, second = records(tmp_path / "store").values()
    assert (first.id, first.source, first.split, first.subject, first.rotation) == (
        "Person04/person04165+15+90",
        "Pointing04",
        "test",
        "person04",
        None,
    )
    assert first.extras == {"azimuth_deg": 90.0, "elevation_deg": 15.0, "series": 1}
    assert second.extras == {"azimuth_deg": -15.0, "elevation_deg": -30.0, "series": 2}
    # 1.7 · 108 = 183.6 wide around (92, 145 − 0.2 · 108); the context crop begins at the picture's corner here.
    np.testing.assert_allclose(first.box, (0.2, 31.6, 183.8, 215.2), atol=1e-9)


@pytest.mark.parametrize("where", ["inside", "beside", "named"])
def test_listed_boxes_replace_those_of_the_face(tmp_path: Path, where: str) -> None:
    root = tmp_path / "Pointing04"
    write(root / "Person04", "person04165+15+90", "no box here\n")  # it is not needed
    write(root / "Person04", "person04200-30-15")
    listing = {"inside": root, "beside": tmp_path, "named": tmp_path / "elsewhere"}[where] / BOXES
    listing.parent.mkdir(exist_ok=True)
    listing.write_text("file,x1,y1,x2,y2,from\nperson04165+15+90.jpg,100,40,220.5,200,detector\n")
    report = import_pointing04(root, tmp_path / "store", boxes=listing if where == "named" else None)
    assert (report.added, report.counts) == (1, {"annotation": 1})
    (head,) = records(tmp_path / "store").values()
    assert (head.box[2] - head.box[0], head.box[3] - head.box[1]) == (120.5, 160)
    listing.unlink()
    with pytest.warns(UserWarning, match="miss the head"), pytest.raises(StoreError, match="other settings"):
        import_pointing04(root, tmp_path / "store")


def test_a_listing_without_corners_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "person01100+0+0")
    (tmp_path / BOXES).write_text("file,x1\nperson01100+0+0.jpg,3\n")
    with pytest.raises(SourceError, match="no column x2, y1, y2"):
        import_pointing04(tmp_path, tmp_path / "store")


def test_the_box_is_a_square_above_the_face() -> None:
    x1, y1, x2, y2 = head_box_of_face(100, 100, 60, 40)
    assert x2 - x1 == pytest.approx(1.7 * 60)
    assert y2 - y1 == pytest.approx(1.7 * 60)
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((100, 92))


def test_broken_boxes_are_rejected_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, "person01100+0+0")
    write(tmp_path, "person01101+0+15", "Face\n92\n145\n84\n")
    write(tmp_path, "person01102+0+30", "Face\n92\n145\n0\n108\n")
    write(tmp_path, "person01103+0+45")
    (tmp_path / "person01103+0+45.txt").unlink()
    with pytest.warns(UserWarning, match=BOXES):
        report = import_pointing04(tmp_path, tmp_path / "store")
    assert (report.added, report.counts) == (1, {"annotation": 3})
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no Pointing'04 here"):
        import_pointing04(tmp_path / "none", tmp_path / "other")


def test_the_real_pictures(shared_data: Path, tmp_path: Path) -> None:
    import tarfile

    archive = shared_data / "Pointing04.tar"
    if not archive.is_file():
        pytest.skip("no Pointing04.tar")
    with tarfile.open(archive) as tar:
        names = [m for m in tar if "/Person01/person011" in m.name]
        tar.extractall(tmp_path, members=names, filter="data")
    boxes = shared_data / BOXES
    if not boxes.is_file():
        pytest.skip(f"no {BOXES}")
    assert import_pointing04(tmp_path / "Pointing04", tmp_path / "store", boxes=boxes).added == 93
    store = HeadStore(tmp_path / "store")
    azimuths = {record.extras["azimuth_deg"] for record in store}
    assert (min(azimuths), max(azimuths)) == (-90, 90)


def test_the_command_warns_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "Pointing04", "person01100+0+0")
    assert main(["prepare", "pointing04", str(tmp_path / "Pointing04"), str(tmp_path / "store")]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1 and warnings[0].startswith("semiuhpe prepare: warning: ") and BOXES in warnings[0]
