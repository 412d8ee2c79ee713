from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.cli.main import main
from semiuhpe.errors import SourceError
from semiuhpe.heads.record import HeadRecord
from semiuhpe.sources.openimages import HEAD, import_openimages
from semiuhpe.sources.registry import SOURCES
from semiuhpe.sources.source import differences

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside,"
    "XClick1X,XClick2X\n"
)


def row(
    image: str,
    x1: float,
    x2: float,
    y1: float,
    y2: float,
    group: int = 0,
    depiction: int = 0,
    inside: int = 0,
    label: str = HEAD,
) -> str:
    return f"{image},xclick,{label},1,{x1},{x2},{y1},{y2},0,0,{group},{depiction},{inside},-1,-1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "oi"
    inside = (0.25, 0.5, 0.1, 0.5)  # 100 × 80 pixels of 400 × 200
    rows = [
        row("aa", 0.0, 0.02, 0.0, 0.5),
        row("bb", *inside),
        row("aa", *inside),
        row("aa", *inside, group=1),
        row("aa", *inside, depiction=1),
        row("aa", *inside, inside=1),
        row("aa", *inside, label="/m/01g317"),
        row("absent", *inside),
        row("aa", 0.5, 0.6, 0.0, 0.2),
    ]
    for part in ("train", "validation"):
        (root / part / "labels").mkdir(parents=True)
        (root / part / "labels" / "detections.csv").write_text(HEADER + "".join(rows if part == "train" else rows[1:2]))
        for name in ("aa", "bb"):
            save_picture(root / part / "data" / f"{name}.jpg", 400, 200, head=(100, 20, 200, 100))
    return root


def test_normalised_boxes_become_pixels(folder: Path, tmp_path: Path) -> None:
    report = import_openimages(folder, tmp_path / "store")
    heads = records(tmp_path / "store")
    assert list(heads) == ["train/aa#1", "train/aa#5", "train/bb#0", "validation/bb#0"]
    assert report.filtered == {"small": 1, "group": 1, "depiction": 1, "inside": 1, "photo not there": 1}
    assert report.rejected == []
    np.testing.assert_allclose(heads["train/aa#1"].box, white_box(tmp_path / "store", "train/aa#1"), atol=1)
    assert heads["validation/bb#0"].extras == {"part": "validation"}


def test_filters_are_options_and_do_not_change_ids(folder: Path, tmp_path: Path) -> None:
    argv = ["prepare", "openimages", str(folder), str(tmp_path / "store"), "--groups", "--min-side", "50"]
    assert main(argv) == 0
    assert list(records(tmp_path / "store")) == ["train/aa#1", "train/aa#2", "train/bb#0", "validation/bb#0"]
    report = import_openimages(folder, tmp_path / "all", depictions=True, groups=True, inside=True, min_side=1)
    assert report.added == 8


def test_counts_are_published_for_two_sizes() -> None:
    heads = [HeadRecord("a", "OpenImagesV6", "unlabelled", "", (0, 0, 9, 9), extras={"part": "train"})]
    assert differences(SOURCES["openimages"], {}, heads) == ["all: 1 heads, 165,797 expected (-165,796)"]
    assert differences(SOURCES["openimages"], {"min_side": 60.0}, heads) == [
        "all: 1 heads, 117,053 expected (-117,052)"
    ]
    assert differences(SOURCES["openimages"], {"min_side": 40.0}, heads) == []
    assert differences(SOURCES["photos"], {}, heads) == []


def test_errors_name_the_file(folder: Path, tmp_path: Path) -> None:
    table = folder / "train" / "labels" / "detections.csv"
    table.write_text(HEADER.replace("IsInside", "IsOutside"))
    with pytest.raises(SourceError, match=r"detections\.csv: has no column IsInside"):
        import_openimages(folder, tmp_path / "store")
    table.write_text(HEADER + row("aa", 0.1, 0.2, 0.3, 0.4).replace("0.3", "x"))
    with pytest.raises(SourceError, match=r"detections\.csv: cannot be read"):
        import_openimages(folder, tmp_path / "store")
    table.write_text(HEADER + row("absent", 0.1, 0.2, 0.3, 0.4))
    (folder / "validation" / "labels" / "detections.csv").unlink()
    with pytest.raises(SourceError, match="none of their photos"):
        import_openimages(folder, tmp_path / "store")
    with pytest.raises(SourceError, match="no OpenImages here"):
        import_openimages(tmp_path, tmp_path / "store")
