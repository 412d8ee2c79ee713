"""COCOHead: the heads of HumanParts' annotation of COCO 2017, without poses.

Unpack HumanParts' `person_humanparts_{train,val}2017.json` (into `annotations/` or beside it) and COCO's photos as
`train2017/`, `val2017/` (or `images/train2017/`, ...). A person's `hier` begins with x1, y1, x2, y2, v of the head; v = 0
means that there is none to be seen.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import ApartFrom, BoxedHead, ImportReport, Workers, import_heads
from semiuhpe.sources.pictures import find_file, index_pictures, need_folder
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import read_json

MIN_SIDE = 30.0
SOURCE = "COCOHead"
_PARTS = ("train", "val")


def import_cocohead(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    min_side: Annotated[float, "shorter side of a head at least, pixels"] = MIN_SIDE,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """COCOHead: heads of COCO 2017 photos from HumanParts' annotations, unlabelled.

    Both parts are imported where both are there; extras.part says which one a head is from. Heads without a box, smaller
    ones and those whose photo is not there are filtered out. Raises SourceError if no annotation file is there or one is malformed.
    """
    root = need_folder(Path(folder))
    filtered: Counter[str] = Counter()
    heads: list[BoxedHead] = []
    for part in _PARTS:
        name = f"person_humanparts_{part}2017.json"
        table = find_file(root, name, (".", "annotations", "HumanParts", "humanparts"))
        if table is not None:
            photos = index_pictures(root, (f"{part}2017", f"images/{part}2017", f"*/{part}2017"))
            heads += _heads(table, part, photos, min_side, filtered)
    if not heads and not filtered:
        raise SourceError(
            f"{root}: no HumanParts annotation here; expected annotations/person_humanparts_train2017.json"
        )
    if not heads and filtered["photo not there"]:
        raise SourceError(f"{root}: annotations, but none of their photos; expected train2017/*.jpg and val2017/*.jpg")
    return import_heads(
        store,
        heads,
        {"importer": "cocohead", "min_side": min_side},
        workers=workers,
        apart_from=apart_from,
        filtered=filtered,
    )


def _heads(
    table: Path, part: str, photos: dict[str, Path], min_side: float, filtered: Counter[str]
) -> Iterator[BoxedHead]:
    content = read_json(table)
    try:
        files: dict[Any, str] = {image["id"]: image["file_name"] for image in content["images"]}
        notes = sorted(content["annotations"], key=lambda note: (note["image_id"], note["id"]))
        for note in notes:
            hier = note.get("hier") or []
            if len(hier) < 5 or not hier[4]:
                filtered["no visible head"] += 1
                continue
            x1, y1, x2, y2 = (float(v) for v in hier[:4])
            photo = photos.get(Path(files[note["image_id"]]).stem)
            if min(x2 - x1, y2 - y1) < min_side:
                filtered["small"] += 1
            elif photo is None:
                filtered["photo not there"] += 1
            else:
                yield BoxedHead(
                    f"{part}/{note['id']}", photo, (x1, y1, x2, y2), SOURCE, subject=photo.stem, extras={"part": part}
                )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{table}: not a HumanParts annotation ({error!r}); download it again") from error


DATA_SET = Source(
    "cocohead",
    import_cocohead,
    licence="see their pages",
    citation="Lin et al., Microsoft COCO, ECCV 2014; Yang et al., Hier R-CNN, TIP 2020",
    published=(Published({"train": 71_115, "val": 3_013, ALL: 74_128}),),
)
