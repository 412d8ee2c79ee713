"""WildVal: wild heads, many of them turned away, whose azimuth was judged by eye; for choosing models.

A folder with `labels.csv` (file, source, photo, x, y, w, h, azimuth_deg, sigma_deg) and the pictures in `images/`. The
azimuth has the sign of the 300W-LP yaw, 180 faces away, and sigma_deg is how far it may be off. Nothing else is known,
so a head has no rotation but extras.azimuth_deg.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semiuhpe.sources.importing import (
    ApartFrom,
    BoxedHead,
    Candidate,
    ImportReport,
    Rejected,
    Workers,
    import_heads,
)
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table
from semiuhpe.sources.wild_directions import wrapped_azimuth_deg

SOURCE = "WildVal"
_COLUMNS = ("x", "y", "w", "h", "azimuth_deg", "sigma_deg")


def import_wild_val(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """WildVal: wild heads with an azimuth judged by eye, in the validation split.

    extras: azimuth_deg in (−180, 180], positive: image left; sigma_deg; photo and origin, the photo that the head is
    from and its data set. Raises SourceError if there is no labels.csv or it lacks a column.
    """
    root = Path(folder)
    rows = read_table(root / "labels.csv", ("file", "source", "photo", *_COLUMNS))
    heads = list(_heads(pictures_of(root), rows))
    return import_heads(store, heads, {"importer": "wild-val"}, workers=workers, apart_from=apart_from)


def _heads(images: Path, rows: list[dict[str, str]]) -> Iterator[BoxedHead | Candidate]:
    for row in rows:
        try:
            x, y, width, height, azimuth, sigma = numbers(row, _COLUMNS)
            if not np.all(np.isfinite([azimuth, sigma])):
                raise Rejected("row", f"{row['file']}: azimuth_deg and sigma_deg must be finite")
        except Rejected as error:
            yield Candidate.rejecting(row["file"], error)
            continue
        yield BoxedHead(
            row["file"],
            images / row["file"],
            (x, y, x + width, y + height),
            SOURCE,
            split="val",
            subject=f"{row['source']}/{row['photo']}",
            extras={
                "azimuth_deg": wrapped_azimuth_deg(azimuth),
                "sigma_deg": sigma,
                "photo": row["photo"],
                "origin": row["source"],
            },
        )


DATA_SET = Source(
    "wild-val",
    import_wild_val,
    licence="as its sources",
    published=(Published({ALL: 84}),),
)
