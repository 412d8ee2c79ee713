"""Glob patterns and folders that strangers may have written: what they make the disk do is bounded.

`glob` walks whatever it is told to, `/**/**` the whole disk and that several times over. Here each entry of a folder that
is looked at is counted, and beyond a limit the answer is an error that says what to do.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from pathlib import Path

from semiuhpe.errors import ImageError

MAX_ENTRIES = 200_000
"""Files and folders that a pattern, or all the lines of a list together, may make us look at."""


class Budget:
    """Counts entries of folders. name: of the pattern or list, for the message."""

    def __init__(self, name: str, entries: int = MAX_ENTRIES) -> None:
        self._name, self._limit, self._left = name, entries, entries

    def spend(self, entries: int = 1) -> None:
        """Raise ImageError once there have been too many."""
        self._left -= entries
        if self._left < 0:
            raise ImageError(
                f"{self._name}: reaches over more than {self._limit:,} files and folders; "
                "give the folder itself as the source, with --recursive for its sub-folders"
            )


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards."""
    return glob.has_magic(text)


def within_one_folder(text: str) -> bool:
    """Whether a pattern's wildcards are in its last part alone, so that it lists one folder, such as photos/*.jpg."""
    *folders, last = Path(text).parts or ("",)
    return "**" not in last and not any(is_pattern(part) for part in folders)


def matching_files(pattern: Path, budget: Budget) -> list[Path]:
    """The ordinary files that match, each once, in no particular order.

    `*`, `?` and `[...]` match within a name, `**` any number of folders. As in a shell, hidden files and folders are
    matched by what begins with a dot only; `**` does not go through links, which may lead round in a circle. Folders that
    cannot be read hold nothing. Raises ImageError where that takes too many entries.
    """
    parts = pattern.parts[1:] if pattern.anchor else pattern.parts
    if parts and parts[-1] == "**":
        parts = (*parts, "*")
    found: dict[Path, None] = {}
    waiting: list[tuple[Path, int]] = [(Path(pattern.anchor), 0)]
    seen = set(waiting)  # two ** lead to the same folder in many ways

    def go(path: Path, at: int) -> None:
        if at == len(parts):
            if path.is_file():
                found.setdefault(path)
        elif (path, at) not in seen:
            seen.add((path, at))
            waiting.append((path, at))

    while waiting:
        folder, at = waiting.pop()
        part = parts[at]
        if part == "**":
            go(folder, at + 1)
            for entry in _entries(folder, budget):
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    go(folder / entry.name, at)
        elif is_pattern(part):
            for entry in _entries(folder, budget):
                visible = part.startswith(".") or not entry.name.startswith(".")
                if visible and fnmatch.fnmatch(entry.name, part) and (at + 1 == len(parts) or entry.is_dir()):
                    go(folder / entry.name, at + 1)
        else:
            go(folder / part, at + 1)
    return list(found)


def _entries(folder: Path, budget: Budget) -> list[os.DirEntry[str]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                budget.spend()
                found.append(entry)
    except (OSError, ValueError):  # not there, not ours to read, or no name that a folder can have
        pass
    return found
