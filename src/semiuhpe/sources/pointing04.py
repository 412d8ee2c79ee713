"""Pointing'04 Head Pose Image Database: persons who look at markers in steps of 15 to 30°, for testing only.

`personPPSNN±TILT±PAN.jpg` (PP the person, S the series, NN the number) lies beside a `.txt` that ends in the face's box
cx, cy, w, h, anywhere below the folder. Pan and tilt are the azimuth and the elevation of where the person looks; roll is not labelled, so a head
has no rotation but extras.azimuth_deg and extras.elevation_deg: score the direction. The face's box is tight, so the head's is a square of
1.7 × its longer side, moved up by 20 % of its height.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import (
    BoxedHead,
    Candidate,
    ImportReport,
    Rejected,
    Workers,
    find_pictures,
    import_heads,
)
from semiuhpe.sources.pictures import Box

SOURCE = "Pointing04"
SCALE, RAISE = 1.7, 0.2
_NAME = re.compile(r"person(?:ne)?(\d\d)(\d)(\d\d)([+-]\d+)([+-]\d+)$")


def import_pointing04(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    workers: Workers = None,
) -> ImportReport:
    """Pointing'04: viewing directions of persons who look at markers; test only.

    extras: azimuth_deg (positive: image left), elevation_deg (positive: up), series. Pictures without a readable box
    are rejected. Raises SourceError if no picture is named as in the database.
    """
    root = Path(folder)
    heads = list(_heads(root))
    if not heads:
        raise SourceError(f"{root}: no Pointing'04 here; expected pictures named like person01146+15-90.jpg")
    return import_heads(store, heads, {"importer": "pointing04"}, workers=workers)


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


def _heads(root: Path) -> Iterator[BoxedHead | Candidate]:
    for path in find_pictures(root):
        match = _NAME.search(path.stem)
        if match is None:
            continue
        person, series, _, tilt, pan = match.groups()
        identity = path.relative_to(root).with_suffix("").as_posix()
        try:
            box = head_box_of_face(*read_face_box(path.with_suffix(".txt")))
        except Rejected as error:
            yield Candidate.rejecting(identity, error)
            continue
        yield BoxedHead(
            identity, path, box, SOURCE, split="test", subject=f"person{person}",
            extras={"azimuth_deg": float(pan), "elevation_deg": float(tilt), "series": int(series)},
        )  # fmt: skip
