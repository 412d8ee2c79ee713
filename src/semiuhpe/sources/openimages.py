"""OpenImages V6: boxes of the class "Human head" (/m/04hgtk), without poses.

The folder is what the usual download tools write: `{train,validation,test}/labels/detections.csv` with normalised
XMin, XMax, YMin, YMax, and the photos as `{split}/data/IMAGEID.jpg` (or `{split}/images/`). A download of some photos
only still comes with the whole table, so heads whose photo is not there are passed over.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import ApartFrom, BoxedHead, FilteredOut, ImportReport, Workers, import_heads
from semiuhpe.sources.pictures import Box, index_pictures, need_folder
from semiuhpe.sources.source import ALL, Published, Source

HEAD = "/m/04hgtk"
MIN_SIDE = 30.0
SOURCE = "OpenImagesV6"
_PARTS = ("train", "validation", "test")
_FLAGS = {"IsDepiction": "depiction", "IsGroupOf": "group", "IsInside": "inside"}
_SIDES = ("XMin", "YMin", "XMax", "YMax")


def import_openimages(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    min_side: Annotated[float, "shorter side of a head at least, pixels of the photo as downloaded"] = MIN_SIDE,
    depictions: Annotated[bool, "take drawn, carved and printed heads, too"] = False,
    groups: Annotated[bool, "take boxes around several heads, too"] = False,
    inside: Annotated[bool, "take pictures from the inside of the object, too"] = False,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """OpenImages V6: boxes of the class Human head, unlabelled.

    extras.part is the set's own split (train, validation, test). Raises SourceError if no detections.csv is there or one lacks a
    column.
    """
    root = need_folder(Path(folder))
    filtered: Counter[str] = Counter()
    kept = {"IsDepiction": depictions, "IsGroupOf": groups, "IsInside": inside}
    tables = {part: root / part / "labels" / "detections.csv" for part in _PARTS}
    heads: list[BoxedHead] = []
    found = [part for part in _PARTS if tables[part].is_file()]
    if not found:
        raise SourceError(f"{root}: no OpenImages here; expected train/labels/detections.csv and train/data/*.jpg")
    for part in found:
        photos = index_pictures(root / part, ("data", "images"))
        heads += _heads(tables[part], part, photos, min_side, [flag for flag in _FLAGS if not kept[flag]], filtered)
    if not heads and filtered["photo not there"]:
        raise SourceError(f"{root}: detections, but none of their photos; expected train/data/*.jpg")
    meta = {
        "importer": "openimages",
        "min_side": min_side,
        "depictions": depictions,
        "groups": groups,
        "inside": inside,
    }
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, filtered=filtered)


@dataclass(frozen=True)
class _Scaled:
    """Box of a head from normalised sides, once the picture's size is known."""

    sides: Box
    min_side: float

    def __call__(self, width: int, height: int) -> Box:
        x1, y1, x2, y2 = self.sides
        box = (x1 * width, y1 * height, x2 * width, y2 * height)
        if min(box[2] - box[0], box[3] - box[1]) < self.min_side:
            raise FilteredOut("small", f"a head of {box[2] - box[0]:.0f} × {box[3] - box[1]:.0f} pixels")
        return box


def _heads(
    table: Path, part: str, photos: dict[str, Path], min_side: float, refused: list[str], filtered: Counter[str]
) -> Iterator[BoxedHead]:
    by_photo: dict[str, list[BoxedHead]] = {}
    counts: Counter[str] = Counter()
    for row in _rows(table):
        photo = row["ImageID"]
        number, counts[photo] = counts[photo], counts[photo] + 1  # before any filter, so that ids do not depend on it
        flag = next((flag for flag in refused if row[flag] == "1"), None)
        if flag is not None:
            filtered[_FLAGS[flag]] += 1
        elif photo not in photos:
            filtered["photo not there"] += 1
        else:
            x1, y1, x2, y2 = (float(row[side]) for side in _SIDES)
            head = BoxedHead(
                f"{part}/{photo}#{number}",
                photos[photo],
                _Scaled((x1, y1, x2, y2), min_side),
                SOURCE,
                subject=photo,
                extras={"part": part},
            )
            by_photo.setdefault(photo, []).append(head)
    for heads in by_photo.values():
        yield from heads


def _rows(table: Path) -> Iterator[dict[str, str]]:
    """Rows of heads, one at a time: the table of the train split has gigabytes."""
    needed = ("ImageID", "LabelName", *_SIDES, *_FLAGS)
    try:
        with table.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            missing = [name for name in needed if name not in header]
            if missing:
                raise SourceError(f"{table}: has no column {', '.join(missing)}; download it again")
            label = header.index("LabelName")
            for line in lines:
                if len(line) > label and line[label] == HEAD:
                    row = dict(zip(header, line, strict=True))
                    for side in _SIDES:
                        float(row[side])
                    yield row
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise SourceError(f"{table}: cannot be read ({error}); download it again") from error


DATA_SET = Source(
    "openimages",
    import_openimages,
    licence="see its page",
    citation="Kuznetsova et al., The Open Images Dataset V4, IJCV 2020",
    published=(Published({ALL: 165_797}), Published({ALL: 117_053}, {"min_side": 60.0})),
)
