"""Pointing'04 Head Pose Image Database: persons who look at markers in steps of 15 to 30°, for testing only.

`personPPSNN±TILT±PAN.jpg` (PP the person, S the series, NN the number) lies beside a `.txt` that ends in the face's box
cx, cy, w, h, anywhere below the folder. Pan and tilt are the azimuth and the elevation of where the person looks; roll is not labelled, so a head
has no rotation but extras.azimuth_deg and extras.elevation_deg: score the direction. Beyond ±75° of pan the face's box lies beside the head, so
head boxes are best read from a listing (file, x1, y1, x2, y2), `Pointing04_boxes.csv`. Without one the head's box is a square of 1.7 × the longer
side of the face's, moved up by 20 % of its height.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import (
    ApartFrom,
    BoxedHead,
    Candidate,
    ImportReport,
    Rejected,
    Workers,
    find_pictures,
    import_heads,
)
from semiuhpe.sources.pictures import Box, find_file
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import Row, numbers, read_table

SOURCE = "Pointing04"
SCALE, RAISE = 1.7, 0.2
BOXES = "Pointing04_boxes.csv"
_CORNERS = ("x1", "y1", "x2", "y2")
_NAME = re.compile(r"person(?:ne)?(\d\d)(\d)(\d\d)([+-]\d+)([+-]\d+)$")


def import_pointing04(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    boxes: Annotated[
        Path | None, "CSV of head boxes (file, x1, y1, x2, y2), default Pointing04_boxes.csv in the folder or beside it"
    ] = None,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Pointing'04: viewing directions of persons who look at markers; test only.

    extras: azimuth_deg (positive: image left), elevation_deg (positive: up), series. Pictures without a readable box
    are rejected. Without a listing of boxes those of the faces are enlarged, with a warning: they miss profiles. Raises
    SourceError if no picture is named as in the database, or the listing lacks a column.
    """
    root = Path(folder)
    table = boxes or find_file(root, BOXES, (".", ".."))
    listed = None if table is None else _listed_boxes(table)
    heads = list(_heads(root, listed))
    if not heads:
        raise SourceError(f"{root}: no Pointing'04 here; expected pictures named like person01146+15-90.jpg")
    if listed is None:
        warnings.warn(
            f"{root}: no {BOXES} here; heads are boxed by the face boxes, which miss the head beyond ±75° of pan",
            stacklevel=2,
        )
    # Which boxes they are is part of what a store is; that of earlier versions knew the faces' only.
    meta = {"importer": "pointing04"} if listed is None else {"importer": "pointing04", "boxes": "listed"}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from)


def _listed_boxes(table: Path) -> dict[str, dict[str, str]]:
    """Rows of a listing by the picture's name."""
    return {Path(row["file"]).name: row for row in read_table(table, ("file", *_CORNERS))}


def head_box_of_face(cx: float, cy: float, width: float, height: float) -> Box:
    """Box of the head, x1, y1, x2, y2, from the face's centre and size, pixels (see the module)."""
    half, y = SCALE * max(width, height) / 2, cy - RAISE * height
    return cx - half, y - half, cx + half, y + half


def read_face_box(path: Path) -> tuple[float, float, float, float]:
    """The last four numbers of a file: cx, cy, w, h of the face in pixels. Raises Rejected where there are none."""
    try:
        # The file repeats the picture's name, whose digits are no numbers of the box: only lines of one number count.
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        cx, cy, width, height = [float(line) for line in lines if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", line)][-4:]
    except (OSError, ValueError) as error:
        raise Rejected("annotation", f"{path}: no face box, four lines cx, cy, w, h ({error})") from error
    if width <= 0 or height <= 0:
        raise Rejected("annotation", f"{path}: the face box has no area, {width} × {height}")
    return cx, cy, width, height


def _heads(root: Path, listed: Mapping[str, Row] | None) -> Iterator[BoxedHead | Candidate]:
    for path in find_pictures(root):
        match = _NAME.search(path.stem)
        if match is None:
            continue
        person, series, _, tilt, pan = match.groups()
        identity = path.relative_to(root).with_suffix("").as_posix()
        try:
            box = _box(path, listed)
        except Rejected as error:
            yield Candidate.rejecting(identity, error)
            continue
        yield BoxedHead(
            identity,
            path,
            box,
            SOURCE,
            split="test",
            subject=f"person{person}",
            extras={"azimuth_deg": float(pan), "elevation_deg": float(tilt), "series": int(series)},
        )


def _box(path: Path, listed: Mapping[str, Row] | None) -> Box:
    if listed is None:
        return head_box_of_face(*read_face_box(path.with_suffix(".txt")))
    if path.name not in listed:
        raise Rejected("annotation", f"{path}: no row in the listing of head boxes")
    x1, y1, x2, y2 = numbers(listed[path.name], _CORNERS)
    return x1, y1, x2, y2


DATA_SET = Source(
    "pointing04",
    import_pointing04,
    licence="any purpose, cite",
    citation="Gourier et al., Estimating Face Orientation from Robust Detection of Salient Facial Structures, 2004",
    published=(Published({ALL: 1_488}),),
)
