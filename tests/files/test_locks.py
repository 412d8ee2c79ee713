"""A folder is held by one run, and by no dead one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import semiuhpe
from semiuhpe.files.locks import LOCK, FolderBusyError, FolderLock

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(semiuhpe.__file__).parents[1])}


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    code = (
        "import sys; from pathlib import Path; from semiuhpe.files.locks import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_two_processes_and_a_killed_one(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(FolderBusyError, match=f"process {process.pid} on "):
            FolderLock(tmp_path)
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / LOCK).exists()  # nobody could delete it
    with FolderLock(tmp_path):
        assert f"process {os.getpid()} on" in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_also_within_one_process(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as lock:
        with pytest.raises(FolderBusyError):
            FolderLock(tmp_path)
        lock.release()
        lock.release()
        with FolderLock(tmp_path):
            pass


def test_folders_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a").exists()
    with FolderLock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert (tmp_path / "a" / "b" / "result").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be deleted there")
def test_a_lock_that_was_deleted_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from semiuhpe.files import locks
    from semiuhpe.files.atomic import open_kept

    original = open_kept
    opened: list[Path] = []

    def deleted_at_first(path: Path) -> object:
        file = original(path)
        if not opened:
            path.unlink()  # as its holder does, between our opening and locking it
        opened.append(path)
        return file

    monkeypatch.setattr(locks, "open_kept", deleted_at_first)
    with FolderLock(tmp_path), pytest.raises(FolderBusyError):
        FolderLock(tmp_path)
    assert len(opened) == 3


def test_where_no_locks_are_known_a_warning_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from semiuhpe.files import locks

    def unknown(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks, "_lock", unknown)
    with pytest.warns(UserWarning, match="no two runs"), FolderLock(tmp_path):
        pass
