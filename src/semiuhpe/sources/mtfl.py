"""Face crops with five points and a coarse pose class (the training part of MTFL): an unlabelled pool of web faces.

A folder with `labels.csv` and the pictures (beside it or in `images`). Columns: `file`, five points `x1, y1, …, x5, y5` (left eye, right eye, nose, left and right
mouth corner, as in the source) and `pose_class`. Five points are too few for a pose to learn from, but enough for the
box of the head: a mean face is laid through them, and its skull is drawn.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.importing import (
    ApartFrom,
    Candidate,
    ImportReport,
    Made,
    Rejected,
    Workers,
    check_share,
    import_heads,
    read_context,
)
from semiuhpe.sources.landmarks.face_model import FaceFit, Float, affine_pose, default_face_model, head_boxes
from semiuhpe.sources.pose_labels import LabelsFile, PoseLabel, PoseLabels, doubts
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table

FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))
"""The iBUG landmarks that each of the five points is the mean of."""

_COLUMNS = tuple(f"{axis}{number}" for number in range(1, 6) for axis in "xy")


def import_mtfl(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    source: Annotated[str, "name of the data set, default the folder's"] = "",
    labels: LabelsFile = None,
    val: Annotated[float, "share of persons and photos with labels in the validation split"] = 0.1,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """MTFL's web faces with five points, unlabelled; the pose class is kept among the extras.

    labels: poses of the pictures, by their paths below the folder (see `pose_labels`); heads with one that is not in
    doubt are split by the person or photo that the file is named after. Raises SourceError if there is no labels.csv or it lacks a column; single broken heads are left out and listed.
    """
    root = Path(folder)
    rows = read_table(root / "labels.csv", ("file", *_COLUMNS))
    name = source or root.resolve().name
    meta: dict[str, Any] = {"importer": "mtfl", "source": name}
    stated = PoseLabels(labels) if labels else None
    if stated is not None:
        check_share("val", val)
        meta |= {"labels": stated.digest, "val": val}
    pictures = pictures_of(root)
    heads = [
        _Head(pictures / row["file"], row, name, val, _label(stated, pictures / row["file"], root)) for row in rows
    ]
    candidates = [Candidate(row["file"], head) for row, head in zip(rows, heads, strict=True)]
    unlabelled = doubts(head.label for head in heads) if stated is not None else None
    return import_heads(store, candidates, meta, workers=workers, apart_from=apart_from, unlabelled=unlabelled)


def subject_of(file: str) -> str:
    """The person or the photo that a file is named after: `lfw_5590_Ann_Lee_0001.jpg` → lfw_5590_Ann_Lee,
    `net_7876_119_0_0.jpg` → net_7876_119."""
    stem = Path(file).stem
    numbered = re.match(r"net_\d+_\d+", stem)
    return numbered[0] if numbered else re.sub(r"_\d+$", "", stem)


def head_box_of_five_points(points: Float) -> Float:
    """Box of the whole head, x1, y1, x2, y2, from the five points (5, 2) in pixels."""
    model = default_face_model()
    shape = np.stack([model.mean[list(group)].mean(axis=0) for group in FIVE])
    rotation, scale, shift = affine_pose(points[None], shape)
    fit = FaceFit(rotation, scale, shift, np.zeros((1, len(model.modes))), np.zeros(1))
    return np.asarray(head_boxes(fit, model)[0])


def _label(labels: PoseLabels | None, picture: Path, root: Path) -> PoseLabel:
    return PoseLabel(None) if labels is None else labels.of(picture.relative_to(root).as_posix())


@dataclass(frozen=True)
class _Head:
    """Makes one head when called."""

    picture: Path
    row: dict[str, str]
    source: str
    val: float
    label: PoseLabel

    def __call__(self) -> Made:
        points = np.array(numbers(self.row, _COLUMNS)).reshape(5, 2)
        if not np.all(np.isfinite(points)) or np.ptp(points, axis=0).min() <= 0:
            raise Rejected("points", f"{self.row['file']}: the five points span no face")
        encoded, box = read_context(self.picture, head_box_of_five_points(points))
        subject, rotation = subject_of(self.row["file"]), self.label.rotation
        record = HeadRecord(
            id=self.row["file"],
            source=self.source,
            subject=subject,
            box=box,
            rotation=rotation,
            split="unlabelled" if rotation is None else split_by_subject(subject, val=self.val),
            extras={"pose_class": self.row.get("pose_class", ""), **self.label.extras},
        )
        return record, encoded


DATA_SET = Source(
    "mtfl",
    import_mtfl,
    licence="none stated; research",
    citation="Zhang et al., Facial Landmark Detection by Deep Multi-task Learning, ECCV 2014",
    published=(Published({ALL: 5_921}),),
)
