"""SCUT-HEAD as a pool of heads without poses; `scut_head` reads its files.

Splits must agree with the head detector's, which trains on the same photos: what is "test" there is "test" here, and so
is every photo that another evaluation uses; the others are unlabelled.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import ApartFrom, BoxedHead, Candidate, ImportReport, Rejected, Workers, import_heads
from semiuhpe.sources.scut_head import AnnotatedPhoto, read_scut_head
from semiuhpe.sources.source import Source
from semiuhpe.sources.tables import read_table

MIN_SIDE = 30.0
SOURCE = "SCUT-HEAD"


def import_scut_head(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    min_side: Annotated[float, "shorter side of a head at least, pixels"] = MIN_SIDE,
    exclude: Annotated[Path | None, "CSV with a column photo (or file): these photos are forced into test"] = None,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """SCUT-HEAD: every head of classroom frames and web pictures, unlabelled.

    A folder with JPEGImages and Annotations, or one that holds SCUT_HEAD_Part_A and _B of that form. extras.part: the
    split of the photo in the detector's training. Raises SourceError if the CSV has no such column, AssetsError if there is no usable photo.
    """
    root = Path(folder)
    forced = photos_of(exclude) if exclude else frozenset()
    filtered: Counter[str] = Counter()
    heads: list[BoxedHead | Candidate] = []
    for part in _folders(root):
        photos = read_scut_head(part, forced)
        for name in ("train", "val", "test"):
            for photo in getattr(photos, name):
                heads += _heads(photo, name, min_side, filtered)
        heads += [
            Candidate.rejecting(Path(line.partition(".xml")[0]).name, Rejected("annotation", line))
            for line in photos.skipped
        ]
    meta = {"importer": "scut-head", "min_side": min_side, "exclude": sorted(forced)}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, filtered=filtered)


def photos_of(table: Path) -> frozenset[str]:
    """Photo names without suffix out of a CSV file's column `photo`, or else `file`. Raises SourceError."""
    rows = read_table(table)
    column = next((name for name in ("photo", "file") if rows and name in rows[0]), None)
    if column is None:
        raise SourceError(f"{table}: needs rows with a column photo or file")
    return frozenset(Path(row[column]).stem for row in rows if row[column])


def _folders(root: Path) -> list[Path]:
    parts = sorted(path.parent for path in root.glob("*/JPEGImages"))
    return [root] if (root / "JPEGImages").is_dir() or not parts else parts


def _heads(photo: AnnotatedPhoto, part: str, min_side: float, filtered: Counter[str]) -> Iterator[BoxedHead]:
    for number, box in enumerate(photo.boxes):
        x1, y1, x2, y2 = (float(v) for v in box)
        if min(x2 - x1, y2 - y1) < min_side:
            filtered["small"] += 1
            continue
        yield BoxedHead(
            f"{photo.name}#{number}",
            photo.path,
            (x1, y1, x2, y2),
            SOURCE,
            subject=photo.name,
            split="test" if part == "test" else "unlabelled",
            extras={"part": part},
        )


DATA_SET = Source(
    "scut-head",
    import_scut_head,
    licence="none stated; research",
    citation="Peng et al., Detecting Heads using Feature Refine Net and Cascaded Multi-Scale Architecture, ICPR 2018",
)
