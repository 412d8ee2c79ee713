"""Files are whole or not there, and no link leads the writer elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from semiuhpe.files.atomic import open_kept, open_new, remove_leftovers, replacing, write_atomically

links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def test_a_block_that_raises_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def fails() -> None:
        with replacing(path) as file:
            file.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_temporary_names_are_never_the_same_and_of_one_length(tmp_path: Path) -> None:
    names = set()
    for number in range(20):
        with replacing(tmp_path / ("n" * 250)) as file:
            file.write(bytes([number]))
            names |= {p.name for p in tmp_path.iterdir()} - {"n" * 250}
    assert len(names) == 20
    assert {len(name) for name in names} == {len(".semiuhpe-.tmp") + 16}
    assert (tmp_path / ("n" * 250)).read_bytes() == bytes([19])


@links
def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    for name, target in (("link", tmp_path / "precious"), ("nowhere", tmp_path / "absent")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(FileExistsError):
            open_new(tmp_path / name)
        with pytest.raises(OSError, match=r"link|loop"):
            open_kept(tmp_path / name)
        write_atomically(tmp_path / name, b"new")  # the link is replaced, not what it names
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "absent").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no permission bits")
def test_files_have_the_permissions_that_the_user_usually_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_leftovers_of_kills_are_known_by_name(tmp_path: Path) -> None:
    for name in (".semiuhpe-0123456789abcdef.tmp", ".semiuhpe-0123456789abcdef.tmp.jpg", ".a.tmp", "a.tmp"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.tmp", ".semiuhpe-0123456789abcdef.tmp.jpg", "a.tmp"]
