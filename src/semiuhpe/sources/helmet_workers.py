"""HelmetWorkers: photos of building sites whose heads are boxed, most of them under helmets; a pool of heads without poses.

A folder with `heads.csv` (file, class, x1, y1, x2, y2; class helmet or head) and the photos in `images/`. The set holds photos
as rotated and darkened copies, so it is split by what the photos show.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np

from semiuhpe.sources.apart import photo_appearances
from semiuhpe.sources.importing import (
    ApartFrom,
    BoxedHead,
    Candidate,
    ImportReport,
    Rejected,
    Workers,
    import_heads,
)
from semiuhpe.sources.photo_splits import groups_by_content, split_groups
from semiuhpe.sources.scut_head import AnnotatedPhoto, PhotoSet
from semiuhpe.sources.source import Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table

SOURCE = "HelmetWorkers"
MIN_SIDE = 30.0
TEST_SHARE = VAL_SHARE = 0.1
_CORNERS = ("x1", "y1", "x2", "y2")


def import_helmet_workers(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    min_side: Annotated[float, "shorter side of a head at least, pixels"] = MIN_SIDE,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """HelmetWorkers: heads of workers on building sites, unlabelled.

    extras: class ("helmet" or "head"); part, the split of its photo: heads of "test" photos are in the split "test", the others
    are unlabelled. Raises SourceError if there is no heads.csv or it lacks a column.
    """
    rows, images, parts = _read(Path(folder))
    filtered: Counter[str] = Counter()
    heads = list(_heads(images, rows, parts, min_side, filtered))
    meta = {"importer": "helmet-workers", "min_side": min_side}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, filtered=filtered)


def read_helmet_workers(folder: str | os.PathLike[str]) -> PhotoSet:
    """The photos with the boxes of their heads, in their splits, for the head detector.

    A photo with a malformed row is skipped and listed. Raises SourceError if there is no heads.csv or it lacks a column.
    """
    rows, images, parts = _read(Path(folder))
    boxes: dict[str, list[list[float]]] = {}
    refused: dict[str, str] = {}
    for row in rows:
        try:
            x1, y1, x2, y2 = corners = numbers(row, _CORNERS)
        except Rejected as error:
            refused[row["file"]] = str(error)
            continue
        boxes.setdefault(row["file"], []).extend([corners] if x2 > x1 and y2 > y1 else [])
    photos = PhotoSet([], [], [], [f"{images / file}: {reason}" for file, reason in refused.items()])
    for file in sorted(boxes.keys() - refused):
        part = getattr(photos, parts.get(Path(file).stem, "train"))
        part.append(AnnotatedPhoto(images / file, np.reshape(boxes[file], (-1, 4)).astype(np.float64)))
    return photos


def _read(root: Path) -> tuple[list[dict[str, str]], Path, dict[str, str]]:
    """Rows of the table, the folder of the photos, and the split of each photo by its name without suffix."""
    rows = read_table(root / "heads.csv", ("file", "class", *_CORNERS))
    images = pictures_of(root)
    files = sorted({row["file"] for row in rows})
    groups = groups_by_content(photo_appearances(images / file for file in files))
    return rows, images, split_groups(groups, val=VAL_SHARE, test=TEST_SHARE)


def _heads(
    images: Path, rows: list[dict[str, str]], parts: Mapping[str, str], min_side: float, filtered: Counter[str]
) -> Iterator[BoxedHead | Candidate]:
    seen: Counter[str] = Counter()
    for row in rows:
        file = row["file"]
        identity = f"{file}#{seen[file]}"
        seen[file] += 1
        try:
            x1, y1, x2, y2 = numbers(row, _CORNERS)
        except Rejected as error:
            yield Candidate.rejecting(identity, error)
            continue
        if 0 < min(x2 - x1, y2 - y1) < min_side:  # a box without area is rejected, not small
            filtered["small"] += 1
            continue
        part = parts.get(Path(file).stem, "train")
        yield BoxedHead(
            identity,
            images / file,
            (x1, y1, x2, y2),
            SOURCE,
            subject=file,
            split="test" if part == "test" else "unlabelled",
            extras={"class": row["class"], "part": part},
        )


DATA_SET = Source(
    "helmet-workers",
    import_helmet_workers,
    licence="none stated; research",
)
