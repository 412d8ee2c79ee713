"""100 pictures of AFLW2000-3D as tight face crops of 150 × 150 pixels, for testing only.

A folder with `labels.csv` (file, pitch_deg, yaw_deg, roll_deg in the 300W-LP convention) and the crops in `images/`. Every
head's box is the square of side 129 centred at (75, 69), for which 1.3 × reaches 1.12 × the picture. Most heads are nearly
frontal (median absolute yaw 9°): call it a subset wherever a figure is quoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.sources.importing import ApartFrom, BoxedHead, Candidate, ImportReport, Rejected, Workers, import_heads
from semiuhpe.sources.pictures import Box
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import numbers, pictures_of, read_table

SOURCE = "AFLW2000-subset"
CONVENTION = "300w-lp"
BOX: Box = (75 - 64.5, 69 - 64.5, 75 + 64.5, 69 + 64.5)
_ANGLES = ("pitch_deg", "yaw_deg", "roll_deg")


def import_aflw2000_subset(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """100 tight face crops of AFLW2000-3D with their official angles; test only.

    extras: pitch_deg, yaw_deg, roll_deg as labelled. Raises SourceError if there is no labels.csv or it lacks a column.
    """
    root = Path(folder)
    rows = read_table(root / "labels.csv", ("file", *_ANGLES))
    heads = list(_heads(pictures_of(root), rows))
    return import_heads(store, heads, {"importer": "aflw2000-subset"}, workers=workers, apart_from=apart_from)


def _heads(images: Path, rows: list[dict[str, str]]) -> Iterator[BoxedHead | Candidate]:
    for row in rows:
        try:
            angles = numbers(row, _ANGLES)
            if not np.all(np.isfinite(angles)):
                raise Rejected("row", f"{row['file']}: the angles are not finite")
        except Rejected as error:
            yield Candidate.rejecting(row["file"], error)
            continue
        yield BoxedHead(
            row["file"],
            images / row["file"],
            BOX,
            SOURCE,
            split="test",
            rotation=from_euler_deg(angles, CONVENTION),
            extras=dict(zip(_ANGLES, angles, strict=True)),
        )


DATA_SET = Source(
    "aflw2000-subset",
    import_aflw2000_subset,
    licence="research",
    citation="Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016",
    published=(Published({ALL: 100}),),
)
