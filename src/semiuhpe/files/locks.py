"""A lock on a folder, held by the operating system: it ends with the process that holds it, however that ends.

`flock` on POSIX, `msvcrt.locking` on Windows. The file of the lock says who holds it; it is no lock by itself, so one that
a killed run left behind stops nobody. Where a file system knows no locks there is none, and a warning says so.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import warnings
from pathlib import Path
from types import TracebackType
from typing import IO

from semiuhpe.files.atomic import open_kept

LOCK = ".semiuhpe.lock"
_FAR = 1 << 30  # Windows lets nobody read locked bytes; these are never written
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


class FolderBusyError(OSError):
    """Another run holds the folder. holder: who, as it says itself."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(errno.EBUSY, f"in use by {holder or 'another run'}", str(folder))
        self.holder = holder or "another run"


class FolderLock:
    """Holds a folder, made where it is missing, until `release` or the end of the process. A context manager.

    Raises FolderBusyError where another run holds it, OSError where it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / LOCK
        self._made = [p for p in (folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self._locked()
        except BaseException:
            self._remove_empty()
            raise
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"process {os.getpid()} on {platform.node()}".encode())

    def _locked(self) -> IO[bytes]:
        while True:
            file = open_kept(self._path)
            try:
                try:
                    _lock(file.fileno())
                except OSError as error:
                    if error.errno in _BUSY:
                        holder = file.read(200).decode(errors="replace")
                        raise FolderBusyError(self.folder, holder) from error
                    if error.errno not in _UNKNOWN:
                        raise
                    warnings.warn(f"{self.folder}: no locks here; see that no two runs write to it", stacklevel=4)
                # Its last holder may have deleted it between our opening and locking it: then it keeps nobody out.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.stat(self._path), os.fstat(file.fileno())):
                        return file
            except BaseException:
                file.close()
                raise
            file.close()

    def release(self) -> None:
        """Give the folder free, and delete it if this lock made it and nothing was written."""
        if self._file.closed:
            return
        if sys.platform == "win32":  # where no open file can be deleted
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._file.close()
        self._remove_empty()

    def _remove_empty(self) -> None:
        with contextlib.suppress(OSError):
            for folder in self._made:
                folder.rmdir()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
