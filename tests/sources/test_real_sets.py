"""The real data sets, where they are at hand: imported by the command, as downloaded."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from semiuhpe.cli.main import main
from semiuhpe.heads.store import HeadStore

# source → (archive, heads, heads with a rotation, options)
SETS = {
    "aflw2000-subset": ("AFLW2000_subset", 100, 100, ()),
    "wild-directions": ("WildDirections", 93, 0, ()),
    "pts68": ("HELEN_AFW", 1530, 1530, ()),  # of 1,537 pictures; the landmarks of seven fit no face
    "scut-head": ("SCUT_HEAD", None, 0, ("--min-side", "70")),
}


@pytest.mark.parametrize("source", SETS)
def test_a_real_set_is_imported(source: str, shared_data: Path, tmp_path: Path) -> None:
    name, count, labelled, options = SETS[source]
    archive = shared_data / f"{name}.tar"
    if not archive.exists():
        pytest.skip(f"no {name} here")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    assert main(["prepare", source, str(tmp_path / name), str(tmp_path / "store"), *options]) == 0
    store = HeadStore(tmp_path / "store")
    assert len(store) == count if count is not None else len(store) > 100
    assert sum(record.rotation is not None for record in store) == labelled
    for index in np.linspace(0, len(store) - 1, 25).round().astype(int):
        record, image = store.record(int(index)), store.image(int(index))
        x1, y1, x2, y2 = record.box
        height, width = image.shape[:2]
        assert min(x2, width) - max(x1, 0) > 0.5 * (x2 - x1)  # most of the head is in its picture
        assert min(y2, height) - max(y1, 0) > 0.5 * (y2 - y1)
