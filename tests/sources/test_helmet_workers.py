from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from semiuhpe.errors import SourceError
from semiuhpe.sources.helmet_workers import read_helmet_workers


def write_set(root: Path, count: int = 60) -> None:
    (root / "images").mkdir()
    rows = ["file,class,x1,y1,x2,y2"]
    for number in range(count):
        coarse = np.random.default_rng(number // 2).integers(0, 256, (12, 12, 3), dtype=np.uint8)  # each photo twice
        picture = cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / "images" / f"{number:03d}.webp"), picture)
        rows += [f"{number:03d}.webp,helmet,1,2,11,14", f"{number:03d}.webp,head,20,20,20,30"]
    rows[-1] = f"{count - 1:03d}.webp,helmet,a,2,11,14"
    (root / "heads.csv").write_text("\n".join(rows) + "\n")


def test_photos_come_in_splits_that_share_nothing(tmp_path: Path) -> None:
    write_set(tmp_path)
    photos = read_helmet_workers(tmp_path)
    parts = [{photo.name for photo in part} for part in (photos.train, photos.val, photos.test)]
    assert all(parts)
    assert sum(map(len, parts)) == 59
    for number in range(0, 58, 2):
        pair = {f"{number:03d}", f"{number + 1:03d}"}
        assert sum(not pair.isdisjoint(part) for part in parts) == 1
    assert len(photos.skipped) == 1  # the photo with a row that is no numbers
    for photo in photos.train + photos.val + photos.test:
        np.testing.assert_array_equal(photo.boxes, [[1, 2, 11, 14]])  # a box without area is dropped
        assert photo.image().shape == (40, 60, 3)


def test_a_folder_without_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"heads\.csv"):
        read_helmet_workers(tmp_path)
