"""Head boxes that another detector found, from a JSON or CSV file."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.arrays import as_boxes
from semiuhpe.errors import InputError
from semiuhpe.files.atomic import json_value
from semiuhpe.poses.exchange import cell_text

Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]

FORMS = 'JSON {"photo.jpg": [[x1, y1, x2, y2], ...]}, CSV with the columns file, x1, y1, x2, y2, or a predictions.json'


def read_boxes(path: str | os.PathLike[str]) -> dict[str, Boxes]:
    """Boxes (n, 4) and scores (n,) by photo.

    The file is JSON `{"photo.jpg": [[x1, y1, x2, y2], ...]}`, where a fifth number of a box is its score; CSV with the
    columns file, x1, y1, x2, y2 and, if known, score or detection_score; or a predictions.json. Scores that are not
    given are 1. Raises InputError for anything else, and names the photo whose boxes are malformed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except UnicodeError as error:
        raise InputError(f"{path}: the boxes are no text ({error}); give {FORMS}") from error
    try:
        rows = _from_json(json_value(text)) if text.lstrip()[:1] in ("{", "[") else _from_csv(text)
    except (AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: the boxes are malformed ({type(error).__name__}: {error}); give {FORMS}") from error
    return {photo: checked_boxes(f"{path}: {photo}", boxes) for photo, boxes in rows.items()}


def boxes_of(photo: Path, boxes: dict[str, Boxes]) -> Boxes | None:
    """The boxes of a photo, by its path as it was given or else by its file name; None where there is no entry."""
    return boxes.get(str(photo), boxes.get(photo.as_posix(), boxes.get(photo.name)))


def _from_json(content: Any) -> dict[str, list[Any]]:
    if isinstance(content.get("images"), list):
        return {
            image["file"]: [[*head["box"], head["detection_score"]] for head in image.get("heads", [])]
            for image in content["images"]
        }
    return {photo: list(boxes) for photo, boxes in content.items()}


def _from_csv(text: str) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        score = row.get("detection_score", row.get("score")) or 1
        rows.setdefault(cell_text(row["file"]), []).append(
            [float(v) for v in (row["x1"], row["y1"], row["x2"], row["y2"], score)]
        )
    if not rows:
        raise ValueError("no rows")
    return rows


def checked_boxes(name: str, boxes: Any) -> Boxes:
    """Boxes of four numbers, or five with a score, as (n, 4) and scores (n,). name: for errors. Raises InputError."""
    try:
        scores = np.array([box[4] if len(box) == 5 else 1.0 for box in boxes], dtype=np.float64)
        return as_boxes([box[:4] if len(box) == 5 else box for box in boxes]), scores
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: a box is four numbers x1, y1, x2, y2, and a fifth for a score") from error
