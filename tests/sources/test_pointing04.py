from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures_on_disk import records, save_picture

from semiuhpe.errors import SourceError
from semiuhpe.heads.store import HeadStore
from semiuhpe.sources.pointing04 import head_box_of_face, import_pointing04


def write(folder: Path, name: str, face: str = "Face\n92\n145\n84\n108\n") -> None:
    save_picture(folder / f"{name}.jpg", 384, 288)
    (folder / f"{name}.txt").write_text(f"{name}.jpg\n\n{face}")


def test_directions_and_boxes(tmp_path: Path) -> None:
    write(tmp_path / "Pointing04" / "Person04", "person04165+15+90")
    write(tmp_path / "Pointing04" / "Person04", "person04200-30-15")
    report = import_pointing04(tmp_path / "Pointing04", tmp_path / "store")
    assert (report.added, report.rejected) == (2, [])
    first, second = records(tmp_path / "store").values()
    assert (first.id, first.source, first.split, first.subject, first.rotation) == (
        "Person04/person04165+15+90", "Pointing04", "test", "person04", None
    )  # fmt: skip
    assert first.extras == {"azimuth_deg": 90.0, "elevation_deg": 15.0, "series": 1}
    assert second.extras == {"azimuth_deg": -15.0, "elevation_deg": -30.0, "series": 2}
    # 1.7 · 108 = 183.6 wide around (92, 145 − 0.2 · 108); the context crop begins at the picture's corner here.
    np.testing.assert_allclose(first.box, (0.2, 31.6, 183.8, 215.2), atol=1e-9)


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
    assert import_pointing04(tmp_path / "Pointing04", tmp_path / "store").added == 93
    store = HeadStore(tmp_path / "store")
    azimuths = {record.extras["azimuth_deg"] for record in store}
    assert (min(azimuths), max(azimuths)) == (-90, 90)
