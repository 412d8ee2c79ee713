"""Face crops with five points and a coarse pose class (the training part of MTFL): an unlabelled pool of web faces.

A folder with `labels.csv` and the pictures (beside it or in `images`). Columns: `file`, five points `x1, y1, …, x5, y5` (left eye, right eye, nose, left and right
mouth corner, as in the source) and `pose_class`. Five points are too few for a pose to learn from, but enough for the
box of the head: a mean face is laid through them, and its skull is drawn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np

from semiuhpe.geometry.landmarks import FaceFit, Float, affine_pose, default_face_model, head_boxes
from semiuhpe.heads.record import HeadRecord
from semiuhpe.sources.importing import Candidate, ImportReport, Made, Rejected, Workers, import_heads, read_context
from semiuhpe.sources.tables import numbers, pictures_of, read_table

FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
"""The iBUG landmarks that each of the five points is the mean of."""

_COLUMNS = tuple(f"{axis}{number}" for number in range(1, 6) for axis in "xy")


def import_mtfl(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    source: Annotated[str, "name of the data set, default the folder's"] = "",
    workers: Workers = None,
) -> ImportReport:
    """MTFL's web faces with five points, unlabelled; the pose class is kept among the extras.

    Raises SourceError if there is no labels.csv or it lacks a column; single broken heads are left out and listed.
    """
    root = Path(folder)
    rows = read_table(root / "labels.csv", ("file", *_COLUMNS))
    name = source or root.resolve().name
    heads = list(_candidates(pictures_of(root), rows, name))
    return import_heads(store, heads, {"importer": "mtfl", "source": name}, workers=workers)


def head_box_of_five_points(points: Float) -> Float:
    """Box of the whole head, x1, y1, x2, y2, from the five points (5, 2) in pixels."""
    model = default_face_model()
    shape = np.stack([model.mean[list(group)].mean(axis=0) for group in FIVE])
    rotation, scale, shift = affine_pose(points[None], shape)
    fit = FaceFit(rotation, scale, shift, np.zeros((1, len(model.modes))), np.zeros(1))
    return np.asarray(head_boxes(fit, model)[0])


def _candidates(root: Path, rows: list[dict[str, str]], source: str) -> Iterator[Candidate]:
    for row in rows:
        yield Candidate(row["file"], _Head(root, row, source))


class _Head:
    """Makes one head when called."""

    def __init__(self, root: Path, row: dict[str, str], source: str) -> None:
        self.root, self.row, self.source = root, row, source

    def __call__(self) -> Made:
        points = np.array(numbers(self.row, _COLUMNS)).reshape(5, 2)
        if not np.all(np.isfinite(points)) or np.ptp(points, axis=0).min() <= 0:
            raise Rejected("points", f"{self.row['file']}: the five points span no face")
        encoded, box = read_context(self.root / self.row["file"], head_box_of_five_points(points))
        record = HeadRecord(
            id=self.row["file"], source=self.source, split="unlabelled", subject="", box=box,
            extras={"pose_class": self.row.get("pose_class", "")},
        )  # fmt: skip
        return record, encoded
