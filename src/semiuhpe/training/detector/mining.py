"""Hard negatives: what a detector takes for a head on photos whose heads are all boxed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.false_heads import on_no_head
from semiuhpe.evaluation.detection import Detector
from semiuhpe.files.atomic import json_text, json_value, write_atomically
from semiuhpe.sources.scut_head import AnnotatedPhoto
from semiuhpe.training.detector.data import CORNERS

LEAST_SCORE = 0.15


def false_heads(detector: Detector, photo: AnnotatedPhoto) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The detections of a photo that lie on none of its heads: boxes (n, 4), scores (n,)."""
    boxes, scores = (values.astype(np.float64) for values in detector(photo.image()))
    wrong = on_no_head(boxes, photo.boxes)
    return boxes[wrong], scores[wrong]


def write_false_heads(
    path: Path, detector: Detector, photos: Sequence[AnnotatedPhoto], report: Callable[[], object] = lambda: None
) -> int:
    """Write the CSV that a recipe's `hard` names: file, x1, y1, x2, y2, score. → how many rows.

    What is found goes into a journal beside it at once, so a call that was killed goes on where it was; `report` is called
    after each photo, also one of the journal.
    """
    journal = path.with_name(path.name + ".journal")
    rows: list[list[Any]] = []
    known = _journal(journal)
    with journal.open("a", encoding="utf-8") as file:
        for photo in photos:
            name = photo.path.name
            if name not in known:
                boxes, scores = false_heads(detector, photo)
                found = [[*np.round(box, 1).tolist(), round(float(s), 3)] for box, s in zip(boxes, scores, strict=True)]
                known[name] = found
                file.write(json_text([name, found]) + "\n")
                file.flush()
            rows += [[name, *row] for row in known[name]]
            report()
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["file", *CORNERS, "score"], *rows])
    write_atomically(path, text.getvalue().encode())
    journal.unlink()
    return len(rows)


def _journal(path: Path) -> dict[str, list[list[float]]]:
    """File name → rows of the photos that were looked at. A line that a kill cut short, or garbled, is done again."""
    known: dict[str, list[list[float]]] = {}
    if not path.exists():
        return known
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            name, found = json_value(line)
        except ValueError:
            continue
        known[name] = found
    if known or path.stat().st_size:
        write_atomically(path, "".join(json_text(entry) + "\n" for entry in known.items()).encode())
    return known
