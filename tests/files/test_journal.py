"""A journal loses at most the line that was being written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from semiuhpe.files import journal as module
from semiuhpe.files.journal import Journal, line_of, lines_of

LINES: list[Any] = [{"a": 1}, {"name": "\udcff.jpg"}, [1.5, None]]


def test_wherever_it_is_cut_whole_lines_come_back_and_it_goes_on(tmp_path: Path) -> None:
    content = b"".join(map(line_of, LINES))
    ends = [0, *(sum(len(line_of(line)) for line in LINES[: n + 1]) for n in range(3))]
    for length in range(len(content) + 1):
        path = tmp_path / "journal"
        path.write_bytes(content[:length])
        whole = sum(length >= end for end in ends[1:])
        assert lines_of(path.read_bytes()) == LINES[:whole]
        journal = Journal(path)
        assert journal.length == ends[whole]
        journal.add("more")
        journal.close()
        assert lines_of(path.read_bytes()) == [*LINES[:whole], "more"]


def test_what_the_power_took_ends_it(tmp_path: Path) -> None:
    content = line_of(1) + b"\0" * 40 + b"\n" + line_of(2)
    assert lines_of(content) == [1]


def test_names_that_are_no_text_keep_their_bytes() -> None:
    if os.name == "nt":
        pytest.skip("file names are text there")
    line = line_of({"file": os.fsdecode(b"\xff\xfe.jpg")})
    assert line.isascii()
    assert os.fsencode(lines_of(line)[0]["file"]) == b"\xff\xfe.jpg"


def test_it_is_cut_off_where_it_is_told_and_never_made_longer(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(line_of(1) + line_of(2))
    journal = Journal(tmp_path / "journal", keep=2)
    journal.close()
    assert (tmp_path / "journal").read_bytes() == line_of(1)
    with pytest.raises(OSError, match="shorter"):
        Journal(tmp_path / "journal", keep=3)


def test_lines_are_with_the_system_at_once_and_with_the_disk_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    now = 100.0
    monkeypatch.setattr("os.fsync", synced.append)
    monkeypatch.setattr("time.monotonic", lambda: now)
    journal = Journal(tmp_path / "journal")
    journal.add(1)
    assert lines_of((tmp_path / "journal").read_bytes()) == [1]
    assert not synced
    now += 1.5 * module.SYNC_S
    journal.add(2)
    assert len(synced) == 1
    journal.close()
    journal.close()
    assert len(synced) == 2
