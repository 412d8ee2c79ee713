from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.pictures_on_disk import records, save_picture, white_box

from semiuhpe.cli.main import main
from semiuhpe.errors import SemiUHPEError, SourceError
from semiuhpe.sources.scut_head import read_scut_head
from semiuhpe.sources.scut_head_import import import_scut_head

OBJECT = (
    "<object><name>person</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)
HEAD = (40, 20, 80, 64)
NAMES = [f"PartB_{number:05d}" for number in range(40)]


def splits(root: Path) -> dict[str, str]:
    photos = read_scut_head(root)
    return {photo.name: part for part in ("train", "val", "test") for photo in getattr(photos, part)}


@pytest.fixture
def scut(tmp_path: Path) -> Path:
    root = tmp_path / "SCUT_HEAD"
    (root / "Annotations").mkdir(parents=True)
    for name in NAMES:
        # No photo is like another: darker than its head, and differently so.
        path = save_picture(root / "JPEGImages" / f"{name}.jpg", head=HEAD)
        noise = np.random.default_rng(int(name[-5:])).integers(0, 2, (10, 10, 1), dtype=np.uint8) * 140
        photo = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_LINEAR)[..., None].repeat(3, axis=2)
        photo[HEAD[1] : HEAD[3], HEAD[0] : HEAD[2]] = 175
        cv2.imwrite(str(path), photo)
        boxes = OBJECT.format(*HEAD) + OBJECT.format(5, 5, 30, 40)
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")
    return root


def test_heads_and_their_splits(scut: Path, tmp_path: Path) -> None:
    (scut / "Annotations" / f"{NAMES[0]}.xml").write_text("<annotation>")
    report = import_scut_head(scut, tmp_path / "store")
    assert report.filtered == {"small": 39}
    assert [(head, kind) for head, kind, _ in report.rejected] == [(NAMES[0], "annotation")]
    heads, split_of = records(tmp_path / "store"), splits(scut)
    assert set(heads) == {f"{name}#0" for name in NAMES[1:]}
    for name in NAMES[1:]:
        head = heads[f"{name}#0"]
        assert head.extras == {"part": split_of[name]}
        assert head.split == ("test" if split_of[name] == "test" else "unlabelled")
        assert (head.source, head.subject, head.rotation) == ("SCUT-HEAD", name, None)
    np.testing.assert_allclose(head.box, white_box(tmp_path / "store", head.id), atol=1)
    assert {head.split for head in heads.values()} == {"test", "unlabelled"}


@pytest.mark.parametrize("column", ["photo", "file"])
def test_excluded_photos_are_test(scut: Path, tmp_path: Path, column: str) -> None:
    split_of = splits(scut)
    excluded = [name for name in NAMES if split_of[name] != "test"][:3]
    values = excluded if column == "photo" else [f"{name}.jpg" for name in excluded]
    (tmp_path / "labels.csv").write_text(f"{column},azimuth_deg\n" + "".join(f"{value},3\n" for value in values))
    argv = ["prepare", "scut-head", str(scut), str(tmp_path / "store"), "--exclude", str(tmp_path / "labels.csv")]
    assert main([*argv, "--min-side", "1"]) == 0
    heads = records(tmp_path / "store").values()
    assert len(heads) == 80
    assert {head.subject for head in heads if head.split == "test"} >= set(excluded)
    assert len({head.subject for head in heads if head.split == "test"}) == 7  # 17 % of 40, with what is excluded


def test_both_parts_in_one_folder(scut: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    scut.rename(tmp_path / "all" / "SCUT_HEAD_Part_B")
    assert import_scut_head(tmp_path / "all", tmp_path / "store").added == 40


def test_errors(scut: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name\na\n")
    with pytest.raises(SourceError, match="column photo or file"):
        import_scut_head(scut, tmp_path / "store", exclude=tmp_path / "labels.csv")
    with pytest.raises(SemiUHPEError, match="no SCUT-HEAD here"):
        import_scut_head(tmp_path / "nowhere", tmp_path / "store")
