"""WildDirections: wild heads, many of them turned away, whose azimuth was judged by eye; for testing only.

A folder with `labels.csv` (file, photo, x1, y1, x2, y2, azimuth_deg) and the pictures in `images/`. The azimuth has the sign
of the 300W-LP yaw and is good to about ±20°; 180 faces away. Nothing else is known, so a head has no rotation but
extras.azimuth_deg.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from semiuhpe.sources.importing import ApartFrom, BoxedHead, Candidate, ImportReport, Rejected, Workers, import_heads
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table

SOURCE = "WildDirections"
_COLUMNS = ("x1", "y1", "x2", "y2", "azimuth_deg")


def import_wild_directions(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """WildDirections: wild heads with an azimuth judged by eye; test only.

    extras: azimuth_deg in (−180, 180], positive: image left; photo, the SCUT-HEAD photo that the head is from. Raises
    SourceError if there is no labels.csv or it lacks a column.
    """
    root = Path(folder)
    rows = read_table(root / "labels.csv", ("file", "photo", *_COLUMNS))
    heads = list(_heads(pictures_of(root), rows))
    return import_heads(store, heads, {"importer": "wild-directions"}, workers=workers, apart_from=apart_from)


def wrapped_azimuth_deg(azimuth_deg: float) -> float:
    """The same angle in (−180, 180], degrees."""
    return 180.0 - (180.0 - azimuth_deg) % 360.0


def _heads(images: Path, rows: list[dict[str, str]]) -> Iterator[BoxedHead | Candidate]:
    for row in rows:
        try:
            x1, y1, x2, y2, azimuth = numbers(row, _COLUMNS)
            if not math.isfinite(azimuth):
                raise Rejected("row", f"{row['file']}: the azimuth is not finite")
        except Rejected as error:
            yield Candidate.rejecting(row["file"], error)
            continue
        yield BoxedHead(
            row["file"],
            images / row["file"],
            (x1, y1, x2, y2),
            SOURCE,
            split="test",
            subject=row["photo"],
            extras={"azimuth_deg": wrapped_azimuth_deg(azimuth), "photo": row["photo"]},
        )


DATA_SET = Source(
    "wild-directions",
    import_wild_directions,
    licence="as SCUT-HEAD",
    citation="Peng et al., Detecting Heads using Feature Refine Net and Cascaded Multi-Scale Architecture, ICPR 2018",
    published=(Published({ALL: 93}),),
)
