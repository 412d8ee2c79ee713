"""Which folder a run writes to: the one it was given, or the next number where that holds another run's results.

Results of the same settings are gone on with. Others are left alone: the run takes `poses-2`, `poses-3`, ... and says so.
`--overwrite` means the very folder that was given; so does `--resume`, but it finds a numbered one that an earlier run of
the same settings took. A lock keeps two runs apart; the second one takes the next number as well.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from semiuhpe.errors import InputError
from semiuhpe.files.atomic import remove_leftovers
from semiuhpe.files.locks import FolderBusyError, FolderLock
from semiuhpe.prediction.run_settings import Start

Verdict = str | None
"""What keeps a run from going on with what a folder holds, as "holds ..."; "" if it holds nothing; None: nothing does."""


Say = Callable[[str], None]


def verdict_of(parts: Iterable[Verdict]) -> Verdict:
    """The verdict on a folder, from those on what it may hold."""
    found = list(parts)
    return next((reason for reason in found if reason), None if None in found else "")


class OutputFolder:
    """The folder of a run, held by a lock. A context manager.

    output: as the user gave it. start: what the user asked for. verdict: on a folder, as this run sees it. say: tells the
    user which folder it is, and why.

    path: the folder. start: as its parts are to be opened. Raises InputError where the folder cannot be made, or is held
    by another run and no other will do.
    """

    def __init__(self, output: Path, start: Start, verdict: Callable[[Path], Verdict], say: Say) -> None:
        base = output if output.name not in ("", "..") else output.resolve()
        if start == "fresh":
            self._lock, self.start = _first_usable(base, verdict, say)
        else:
            wanted = base if start == "overwrite" else _to_resume(base, verdict, say)
            self._lock, self.start = _held(wanted, say), start
        self.path = output if self._lock.folder == base else self._lock.folder
        remove_leftovers(self.path)

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def numbered_folders(output: Path) -> list[Path]:
    """A folder and those that stand beside it with a number, `poses-2` and so on, as far as they exist; by number."""
    base = output if output.name not in ("", "..") else output.resolve()
    form = re.compile(re.escape(base.name) + r"(?:-([1-9]\d*))?")
    try:
        found = [(match, name) for name in os.listdir(base.parent) if (match := form.fullmatch(name))]
    except OSError:
        return []
    return [base.with_name(name) for match, name in sorted(found, key=lambda pair: int(pair[0][1] or 1))]


def _names(base: Path) -> Iterator[Path]:
    yield base
    number = 2
    while True:
        yield base.with_name(f"{base.name}-{number}")
        number += 1


def _first_usable(base: Path, verdict: Callable[[Path], Verdict], say: Say) -> tuple[FolderLock, Start]:
    reason: Verdict = ""
    for folder in _names(base):
        try:
            lock = _locked(folder, say)
        except FolderBusyError as error:
            reason = reason or f"is in use by {error.holder}"
            continue
        try:
            found = verdict(folder)
        except BaseException:
            lock.release()
            raise
        if found:
            lock.release()
            reason = reason or found
            continue
        if reason:
            say(f"{base}/ {reason}; writing to {folder}/")
        if found is None:
            say(f"{folder}/ holds results of the same settings; going on with them")
        return lock, "fresh" if found == "" else "resume"
    raise AssertionError("there is always a next number")


def _to_resume(base: Path, verdict: Callable[[Path], Verdict], say: Say) -> Path:
    """The first folder with results that this run can go on with, else the one that was given."""
    for folder in numbered_folders(base):
        if verdict(folder) is None:
            if folder != base:
                say(f"going on in {folder}/, which holds results of the same settings")
            return folder
    return base


def _held(folder: Path, say: Say) -> FolderLock:
    try:
        return _locked(folder, say)
    except FolderBusyError as error:
        raise InputError(f"{folder}: is in use by {error.holder}; wait, or choose another --output") from error


def _locked(folder: Path, say: Say) -> FolderLock:
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            lock = FolderLock(folder)
    except FolderBusyError:
        raise
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another --output") from error
    for warning in caught:
        say(str(warning.message))
    return lock
