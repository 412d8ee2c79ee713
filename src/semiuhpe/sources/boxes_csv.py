"""Any set of photos or crops whose heads are listed in a file: CSV, JSON or COCO, with or without rotations.

A row names `file` (relative to the listing's folder, or to its sub-folder `images`) and the head's box in pixels, as
`x, y, w, h` or `x1, y1, x2, y2`. Optional: `id` (default: the file, or file#number for a file's further heads),
`source`, `subject`, `split`, and a rotation (see `rotation_columns`). Every other column is kept among the extras.
The JSON forms are those of `tables.FORMS`; a predictions file of `semiuhpe predict` is one of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from semiuhpe.errors import SourceError
from semiuhpe.heads.record import SPLITS
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources import rotation_columns
from semiuhpe.sources.importing import ApartFrom, BoxedHead, Candidate, ImportReport, Rejected, Workers, import_heads
from semiuhpe.sources.pictures import Box
from semiuhpe.sources.source import Source
from semiuhpe.sources.tables import Row, find_table, numbers, pictures_of, read_table, rows_of_json

__all__ = ["find_table", "import_boxes_csv", "numbers", "pictures_of", "read_table"]

_CORNERS, _SIDES = ("x1", "y1", "x2", "y2"), ("x", "y", "w", "h")
_TAKEN = {"file", "id", "source", "subject", "split", "box", *_CORNERS, *_SIDES, *rotation_columns.COLUMNS}

Split = Literal["auto", "train", "val", "test", "unlabelled"]


def import_boxes_csv(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    source: Annotated[str, "name of the data set, default the folder's"] = "",
    convention: Annotated[str, "meaning of the columns pitch_deg, yaw_deg, roll_deg, e.g. 300w-lp"] = "",
    images: Annotated[Path | None, "folder that files are relative to, default the listing's or its images/"] = None,
    category: Annotated[str, "of a COCO file: the category that is a head, default every one"] = "",
    split: Annotated[
        Split, "split of rows that name none; auto: train or val by subject, unlabelled without pose"
    ] = "auto",
    val: Annotated[float, "share of subjects that auto puts into val"] = 0.1,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Photos or crops with their heads listed in a CSV, JSON or COCO file.

    path: the file, or a folder with one CSV file. See the module for columns. A row that is malformed or whose
    picture is broken is left out and listed. Raises SourceError if there is no such file, a column is missing or
    angles have no convention.
    """
    table = find_table(Path(path))
    rows: list[Row] = rows_of_json(table, category) if table.suffix.lower() == ".json" else [*read_table(table)]
    columns = {column for row in rows for column in row}
    if "file" not in columns or not (columns >= set(_CORNERS) or columns >= set(_SIDES)):
        raise SourceError(f"{table}: needs the columns file and x, y, w, h (or x1, y1, x2, y2)")
    rotation_columns.check_convention(columns, convention, str(table))
    if not 0 <= val <= 1:
        raise SourceError(f"val must be a share from 0 to 1, got {val}")
    name = source or table.parent.resolve().name
    root = Path(images) if images else pictures_of(table.parent)
    meta = {
        "importer": "boxes",
        "source": name,
        "convention": convention,
        "category": category,
        "split": split,
        "val": val,
    }
    heads = list(_heads(root, rows, name, convention, split, val))
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from)


def _heads(
    root: Path, rows: list[Row], source: str, convention: str, split: str, val: float
) -> Iterator[BoxedHead | Candidate]:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        file = str(row.get("file") or "")
        count = seen[file] = seen.get(file, -1) + 1
        identity = str(row.get("id") or (f"{file}#{count}" if count else file))
        try:
            yield _head(root, row, identity, source, convention, split, val)
        except Rejected as error:
            yield Candidate.rejecting(identity or f"row {number + 1}", error)


def _head(root: Path, row: Row, identity: str, source: str, convention: str, default: str, val: float) -> BoxedHead:
    file = str(row.get("file") or "")
    rotation = rotation_columns.rotation_of(row, convention)
    subject = str(row.get("subject") or "")
    split = str(row.get("split") or default)
    if split == "auto":
        split = "unlabelled" if rotation is None else split_by_subject(subject or file, val=val)
    if not file or split not in SPLITS:
        raise Rejected("row", f"{file!r}: needs a file and, if any, a split of {', '.join(SPLITS)}")
    return BoxedHead(
        id=identity,
        picture=root / file,
        box=_box(row),
        source=str(row.get("source") or source),
        split=split,
        subject=subject,
        rotation=rotation,
        extras={k: v for k, v in row.items() if k and _is_extra(k, v)},
    )


def _is_extra(key: str, value: Any) -> bool:
    return (
        key not in _TAKEN
        and isinstance(value, str | int | float)
        and not (isinstance(value, float) and not math.isfinite(value))
    )


def _box(row: Row) -> Box:
    if row.get("x1") is not None:
        x1, y1, x2, y2 = numbers(row, _CORNERS)
        return x1, y1, x2, y2
    x1, y1, width, height = numbers(row, _SIDES)
    return x1, y1, x1 + width, y1 + height


DATA_SET = Source(
    "boxes",
    import_boxes_csv,
    licence="as its pictures",
)
