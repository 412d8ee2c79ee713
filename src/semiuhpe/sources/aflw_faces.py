"""Faces of AFLW as crops, up to both profiles, with the poses that a network gave them; none of AFLW2000-3D.

A folder with `labels.csv` and the crops in `images/`. Columns: file; x1, y1, x2, y2, the head's box, which may reach outside
of the crop; a network's pose and its doubts (see `pose_labels`), with the yaw of hand-placed landmarks. The same face
may be there twice, so faces are split by what they show.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from semiuhpe.errors import ImageError
from semiuhpe.heads.appearance import Appearances, Thumbnail, thumbnail_of_head
from semiuhpe.heads.duplicates import SAME_BOX, grouped, twins_within
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.images.load import load_image
from semiuhpe.sources.importing import (
    ApartFrom,
    BoxedHead,
    Candidate,
    ImportReport,
    Rejected,
    Workers,
    check_share,
    import_heads,
)
from semiuhpe.sources.pose_labels import PoseLabel, doubts, pose_label
from semiuhpe.sources.source import Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table

SOURCE = "AFLW-faces"
_CORNERS = ("x1", "y1", "x2", "y2")
_KEPT = ("fit_label_deg", "visible")

_Row = dict[str, str]


def import_aflw_faces(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of faces in the validation split"] = 0.05,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Crops of AFLW's faces, labelled by a network where it can be trusted.

    extras: label_sigma_deg, label_spread_deg, yaw_hand_deg, label_doubt (why there is no rotation), visible and fit_label_deg.
    Copies of a face share the subject, and so the split. Raises SourceError if there is no labels.csv or it lacks a column.
    """
    check_share("val", val)
    root = Path(folder)
    columns = ("file", *_CORNERS, "pitch_deg", "yaw_deg", "roll_deg", "sigma_deg", "spread_deg", "yaw_hand_deg")
    rows = read_table(root / "labels.csv", columns)
    images = pictures_of(root)
    subjects = _subjects(images, rows)
    labels: dict[str, PoseLabel] = {}
    heads = [_head(images, row, subjects, val, labels) for row in rows]
    meta = {"importer": "aflw-faces", "val": val}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, unlabelled=doubts(labels.values()))


def _head(
    images: Path, row: _Row, subjects: Mapping[str, str], val: float, labels: dict[str, PoseLabel]
) -> BoxedHead | Candidate:
    """The head of a row, whose label goes into `labels` too."""
    file = row["file"]
    try:
        x1, y1, x2, y2 = numbers(row, _CORNERS)
        label = labels[file] = pose_label(row)
    except Rejected as error:
        return Candidate.rejecting(file, error)
    subject = subjects.get(file, file)
    return BoxedHead(
        file,
        images / file,
        (x1, y1, x2, y2),
        SOURCE,
        subject=subject,
        rotation=label.rotation,
        split="unlabelled" if label.rotation is None else split_by_subject(subject, val=val),
        extras={**label.extras, **{key: row[key] for key in _KEPT if row.get(key)}},
    )


def _subjects(images: Path, rows: list[_Row]) -> dict[str, str]:
    """File → file of the first copy of the same face, for those that can be read."""
    faces = Appearances.of(_thumbnails(images, rows))
    pairs = ((twin.first, twin.second) for twin in twins_within(faces, variants=SAME_BOX))
    return {name: faces.names[first] for name, first in zip(faces.names, grouped(len(faces), pairs), strict=True)}


def _thumbnails(images: Path, rows: list[_Row]) -> Iterator[tuple[str, Thumbnail]]:
    for row in rows:
        try:
            yield row["file"], thumbnail_of_head(load_image(images / row["file"]), numbers(row, _CORNERS))
        except (ImageError, Rejected, ValueError):
            continue  # the import itself will say so


DATA_SET = Source(
    "aflw-faces",
    import_aflw_faces,
    licence="research",
    citation="Köstinger et al., Annotated Facial Landmarks in the Wild, ICCV Workshops 2011",
)
