from __future__ import annotations

import os
import sys

import pytest

from semiuhpe.files.names import LONGEST, readable_name, safe_name

posix = pytest.mark.skipif(sys.platform == "win32", reason="file names are text there")


def test_usual_names_stay() -> None:
    for name in ("a", "Zoë und 山.jpg", "x" * LONGEST, "a.b c"):
        assert safe_name(name) == readable_name(name) == name


@posix
@pytest.mark.parametrize(
    "name", ["x" * (LONGEST + 1), "é" * 125, "山" * 83, os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff" * 250)]
)
def test_others_become_short_text_of_their_own(name: str) -> None:
    safe = safe_name(name)
    assert len(safe.encode()) <= LONGEST
    assert safe[:-9] == os.fsencode(name).decode("utf-8", "ignore")[: len(safe) - 9]
    assert safe_name(name + "y") != safe != safe_name("y" + name)
    assert safe_name(safe) == safe


@posix
def test_bytes_become_escapes() -> None:
    assert readable_name(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"
