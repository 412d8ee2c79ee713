"""JSON that is nested too deeply is a typed error wherever a file is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import semiuhpe
from semiuhpe.errors import SemiUHPEError, SourceError, WeightsError
from semiuhpe.files.atomic import json_value
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.prediction.boxes_file import read_boxes
from semiuhpe.sources.dad3dheads import read_items
from semiuhpe.sources.tables import read_json
from semiuhpe.weights import read_card

DEEP = "[" * 100_000 + "]" * 100_000


def test_what_json_reads() -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {}}
    assert json_value(json.dumps(value)) == json_value(json.dumps(value).encode()) == value
    for text in ("", "{", "nul", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - of any kind
            json_value(text)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_value(DEEP)


@pytest.mark.parametrize(
    ("read", "error"),
    [(read_boxes, SemiUHPEError), (read_json, SourceError), (read_items, SourceError), (read_card, WeightsError)],
)
def test_readers(read: Callable[[Path], object], error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(DEEP)
    with pytest.raises(error, match="nested too deeply"):
        read(tmp_path / "a.json")


def test_heads() -> None:
    with pytest.raises(SemiUHPEError, match="nested too deeply"):
        HeadPoses.from_json(DEEP)


def test_nobody_reads_files_without_it() -> None:
    """`json.loads` may only read back what the same line wrote."""
    package = Path(semiuhpe.__file__).parent
    for path in package.rglob("*.py"):
        if path.relative_to(package).as_posix() != "files/atomic.py":
            assert "json.loads(" not in path.read_text().replace("json.loads(json_text(", ""), path
