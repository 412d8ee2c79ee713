"""Listings of heads as rows: CSV with a header, JSON in its usual forms, COCO. A row is a dict of what a head has."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from semiuhpe.errors import Rejected, SourceError
from semiuhpe.files.atomic import json_value

FORMS = (
    'rows [{"file": ..., "x": ...}], {"photo.jpg": [[x1, y1, x2, y2], ...]}, a predictions.json, or COCO with images '
    "and annotations"
)

Row = dict[str, Any]


def find_table(path: Path, suffix: str = "CSV") -> Path:
    """The file itself, or the only one with the suffix in a folder. Raises SourceError where that is not one file."""
    if path.is_file():
        return path
    found = sorted(path.glob(f"*.{suffix.lower()}"))
    if len(found) != 1:
        raise SourceError(f"{path}: {len(found)} {suffix} files here, one expected; name the file itself")
    return found[0]


def read_table(path: Path, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """Rows of a CSV file with a header. Raises SourceError if it cannot be read or its first row lacks one of `columns`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as CSV ({error}); check the file") from error
    missing = set(columns) - set(rows[0] if rows else {})
    if missing:
        raise SourceError(f"{path}: has no column {', '.join(sorted(missing))}")
    return rows


def read_json(path: str | os.PathLike[str]) -> Any:
    """Content of a JSON file. Raises SourceError if it cannot be read."""
    try:
        return json_value(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as JSON ({error}); unpack or export it again") from error


def rows_of_json(path: Path, category: str = "") -> list[Row]:
    """Rows of a JSON file, in any of its `FORMS`. Raises SourceError for another one.

    A row has `file`, the box as x1, y1, x2, y2 or x, y, w, h, and whatever else the file says of the head. category:
    of a COCO file, take the boxes of this category's name only.
    """
    content = read_json(path)
    try:
        if isinstance(content, list):
            return [{**row, **_corners(row["box"])} if "box" in row else {**row} for row in content]
        if "annotations" in content:
            return _rows_of_coco(content, category)
        if isinstance(content.get("images"), list):
            return [
                {**head, "file": image["file"], **_corners(head["box"])}
                for image in content["images"]
                for head in image.get("heads", [])
            ]
        return [{"file": photo, **_corners(box)} for photo, boxes in content.items() for box in boxes]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: malformed ({type(error).__name__}: {error}); give {FORMS}") from error


def pictures_of(folder: Path) -> Path:
    """Where a listing's pictures lie: in its sub-folder `images` if there is one, else beside it."""
    images = folder / "images"
    return images if images.is_dir() else folder


def numbers(row: Mapping[str, Any], columns: tuple[str, ...]) -> list[float]:
    """Numbers of a row. Raises Rejected where one is missing or no number."""
    try:
        return [float(row[column]) for column in columns]
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("row", f"{row.get('file')}: {', '.join(columns)} must be numbers") from error


def _corners(box: list[Any]) -> Row:
    if len(box) < 4:
        raise ValueError(f"a box is x1, y1, x2, y2, got {box}")
    corners = dict(zip(("x1", "y1", "x2", "y2"), box, strict=False))
    return corners if len(box) == 4 else {**corners, "score": box[4]}


def _rows_of_coco(content: Any, category: str) -> list[Row]:
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {entry["id"]: entry["name"] for entry in content.get("categories", [])}
    if category and category not in names.values():
        raise ValueError(f"no category {category!r}, there are {', '.join(map(str, names.values())) or 'none'}")
    rows = []
    for note in content["annotations"]:
        if note.get("iscrowd") or (category and names.get(note.get("category_id")) != category):
            continue
        plain = {k: v for k, v in note.items() if k not in ("bbox", "segmentation", "image_id", "id", "attributes")}
        x, y, w, h = note["bbox"]
        rows.append(
            {**plain, **note.get("attributes", {}), "file": files[note["image_id"]], "x": x, "y": y, "w": w, "h": h}
        )
    order = {file: number for number, file in enumerate(files.values())}
    return sorted(rows, key=lambda row: order[row["file"]])
