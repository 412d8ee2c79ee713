"""No cell of a table is taken for a formula by a spreadsheet, and each one stands for one text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semiuhpe.poses.exchange import cell_text, safe_cell, write_csv
from semiuhpe.prediction.boxes_file import read_boxes

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''=1", "=cmd|' /C calc'!A0.jpg"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_have_an_apostrophe_before_them(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert cell_text(safe_cell(text)) == text


@pytest.mark.parametrize("value", ["photo.jpg", "", "a=b", "'quoted'", "it's", -1.5, 3, None])
def test_other_cells_stay(value: object) -> None:
    assert safe_cell(value) == value


@given(st.text(alphabet="'=+-@\t\r\nab＝", max_size=6))
def test_each_cell_stands_for_one_text(text: str) -> None:
    assert cell_text(safe_cell(text)) == text


@given(st.text(alphabet="'=+-ab", max_size=4), st.text(alphabet="'=+-ab", max_size=4))
def test_two_texts_have_two_cells(one: str, other: str) -> None:
    assert (safe_cell(one) == safe_cell(other)) == (one == other)


def test_through_a_file(tmp_path: Path) -> None:
    names = [name for name in FORMULAS if "\r" not in name]
    rows = [{"file": name, "x1": -3.0, "y1": 0.0, "x2": 9.0, "y2": 9.0} for name in names]
    buffer = io.StringIO(newline="")
    write_csv(buffer, rows, ["file", "x1", "y1", "x2", "y2"])
    cells = list(csv.reader(io.StringIO(buffer.getvalue(), newline="")))
    assert [row[0] for row in cells[1:]] == [f"'{name}" for name in names]
    assert all(row[1] == "-3.0" for row in cells[1:])  # numbers are numbers
    (tmp_path / "a.csv").write_text(buffer.getvalue(), newline="")
    assert set(read_boxes(tmp_path / "a.csv")) == set(names)
