"""docs/reference.md names what exists: no empty cell, no test that is not there, no option that the recipe lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not set(line) <= set("|-")]
TESTS = sorted(set(re.findall(r"`…([\w/]+\.py)(?:::(\w+))?`", PAGE)))


def test_no_row_is_empty() -> None:
    assert len(ROWS) > 90
    for row in ROWS:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 3, row
        assert all(cells), row


PARTS = {"drawing/test_mesh.py", "tracking/test_tracker.py", "tracking/test_smoothing.py"}
"""Tests of parts that may be left out of a source tree."""


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_tests_that_are_named_exist(file: str, name: str) -> None:
    path = ROOT / "tests" / file
    if file in PARTS and not path.exists():
        pytest.skip(f"{file} is not part of this tree")
    assert path.is_file()
    assert not name or re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE)


def test_every_fault_has_a_test() -> None:
    faults = PAGE.partition("## Faults of the reference")[2]
    rows = [line for line in faults.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 30
    assert all("`…" in row for row in rows)
