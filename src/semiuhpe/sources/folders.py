"""Finding the parts of an unpacked data set: which of the usual places holds a file or the pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from semiuhpe.errors import SourceError

PICTURES = (".jpg", ".jpeg", ".png")


def find_file(root: Path, name: str, places: Iterable[str] = (".", "annotations", "Annotations")) -> Path | None:
    """The file of that name in the first of the places (relative to root) that has it, or None."""
    return next((root / place / name for place in places if (root / place / name).is_file()), None)


def need_folder(root: Path) -> Path:
    """The folder itself. Raises SourceError if it is none."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder; unpack the data set and name its folder")
    return root


def index_pictures(root: Path, places: Iterable[str]) -> dict[str, Path]:
    """Stem → path of the picture files that lie directly in the places (glob patterns, relative to root)."""
    found: dict[str, Path] = {}
    for place in places:
        for folder in sorted(root.glob(place)):
            if not folder.is_dir():
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    stem, suffix = os.path.splitext(entry.name)
                    if suffix.lower() in PICTURES:
                        found.setdefault(stem, Path(entry.path))
    return found
