"""Any set of photos or crops whose heads are listed in a CSV file: one row a head.

Columns: `file` (relative to the CSV's folder, or to its sub-folder `images`) and the head's box in pixels, as `x, y, w, h` or `x1, y1, x2, y2`. Optional:
`id` (default: the file, or file#row for a file's further heads), `source`, `subject` and `split` (default: unlabelled).
Every other column is kept among the extras.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from semiuhpe.errors import SourceError
from semiuhpe.heads.record import SPLITS, HeadRecord
from semiuhpe.sources.importing import Candidate, ImportReport, Made, Rejected, import_heads, read_context

_CORNERS, _SIDES = ("x1", "y1", "x2", "y2"), ("x", "y", "w", "h")
_TAKEN = {"file", "id", "source", "subject", "split", *_CORNERS, *_SIDES}

Box = tuple[float, float, float, float]


def import_boxes_csv(path: str | os.PathLike[str], store: str | os.PathLike[str], *, source: str = "") -> ImportReport:
    """Import the heads of a CSV file, or of the only CSV file in a folder, into a head store, without rotations.

    source: name of the data set where the file has no such column, default the folder's. A row that is malformed or
    whose picture is broken is left out and listed. Raises SourceError if there is no such file or a column is missing.
    """
    table = find_table(Path(path))
    rows = read_table(table)
    columns = set(rows[0]) if rows else set()
    if "file" not in columns or not (columns >= set(_CORNERS) or columns >= set(_SIDES)):
        raise SourceError(f"{table}: needs the columns file and x, y, w, h (or x1, y1, x2, y2)")
    name = source or table.parent.resolve().name
    return import_heads(
        store, _candidates(pictures_of(table.parent), rows, name), {"importer": "boxes", "source": name}
    )


def find_table(path: Path) -> Path:
    """The CSV file itself, or the only one in a folder. Raises SourceError where that is not one file."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.csv"))
    if len(found) != 1:
        raise SourceError(f"{path}: {len(found)} CSV files here, one expected; name the file itself")
    return found[0]


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file with a header. Raises SourceError if it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as CSV ({error})") from error


def pictures_of(folder: Path) -> Path:
    """Where a listing's pictures lie: in its sub-folder `images` if there is one, else beside it."""
    images = folder / "images"
    return images if images.is_dir() else folder


def numbers(row: Mapping[str, str | None], columns: tuple[str, ...]) -> list[float]:
    """Numbers of a row. Raises Rejected where one is missing or no number."""
    try:
        return [float(row[column] or "") for column in columns]
    except (KeyError, ValueError) as error:
        raise Rejected("row", f"{row.get('file')}: {', '.join(columns)} must be numbers") from error


def _candidates(root: Path, rows: list[dict[str, str]], source: str) -> Iterator[Candidate]:
    seen: dict[str, int] = {}
    for row in rows:
        file = row.get("file") or ""
        count = seen[file] = seen.get(file, -1) + 1
        identity = row.get("id") or (f"{file}#{count}" if count else file)
        yield Candidate(identity or f"row {len(seen)}", _Head(root, row, identity, source))


class _Head:
    """Makes one head when called."""

    def __init__(self, root: Path, row: dict[str, str], identity: str, source: str) -> None:
        self.root, self.row, self.identity, self.source = root, row, identity, source

    def __call__(self) -> Made:
        row = self.row
        split = row.get("split") or "unlabelled"
        if not self.identity or split not in SPLITS:
            raise Rejected("row", f"{row.get('file')!r}: needs a file and, if any, a split of {', '.join(SPLITS)}")
        encoded, box = read_context(self.root / row["file"], self._box())
        extras = {key: value for key, value in row.items() if key and key not in _TAKEN and isinstance(value, str)}
        record = HeadRecord(
            id=self.identity, source=row.get("source") or self.source, split=split, subject=row.get("subject") or "",
            box=box, extras=extras,
        )  # fmt: skip
        return record, encoded

    def _box(self) -> Box:
        if "x1" in self.row:
            x1, y1, x2, y2 = numbers(self.row, _CORNERS)
        else:
            x1, y1, width, height = numbers(self.row, _SIDES)
            x2, y2 = x1 + width, y1 + height
        return x1, y1, x2, y2
