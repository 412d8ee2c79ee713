"""CrowdHuman: crowds with a box for every head, without poses.

Two annotations of the same photos are read: the original `annotation_{train,val}.odgt` (one JSON object a line:
`ID`, `gtboxes` with `tag`, `hbox` x, y, w, h and `head_attr.ignore`) and BFJDet's COCO-like
`instances_{train,val}_full_bhf_new.json` (`h_bbox` x, y, w, h and `ignore`; a 1 × 1 box stands for a head that was not
annotated), on which the published count rests. Photos lie in `Images/`, in `yolov5_format/images/{train,val}` or in
`CrowdHuman_*/Images`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from semiuhpe.errors import SourceError
from semiuhpe.files.atomic import json_value
from semiuhpe.sources.importing import ApartFrom, BoxedHead, ImportReport, Workers, import_heads
from semiuhpe.sources.pictures import find_file, index_pictures, need_folder
from semiuhpe.sources.source import ALL, Published, Source
from semiuhpe.sources.tables import read_json

MIN_SIDE = 30.0
SOURCE = "CrowdHuman"

Annotations = Literal["auto", "bfjdet", "odgt"]
_Listed = tuple[str, str, list[Any], bool]  # head id, photo's stem, hbox, ignored
_FILES = {"bfjdet": "instances_{}_full_bhf_new.json", "odgt": "annotation_{}.odgt"}
_PLACES = ("Images", "images", "yolov5_format/images/{}", "images/{}", "CrowdHuman_{}*/Images", "CrowdHuman_{}*")


def import_crowdhuman(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    annotations: Annotated[
        Annotations, "which files to read; auto: BFJDet's where they are, else the original"
    ] = "auto",
    min_side: Annotated[float, "shorter side of a head at least, pixels"] = MIN_SIDE,
    keep_ignored: Annotated[bool, "take heads that are marked to be ignored, too"] = False,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """CrowdHuman: every head of the train and val photos, unlabelled.

    extras.part says whether a head is of train or val. Ignored and small heads, dummies and those whose photo is not
    there are filtered out; heads fully outside their photo are rejected. Raises SourceError if no annotation file is
    there or one is malformed.
    """
    root = need_folder(Path(folder))
    filtered: Counter[str] = Counter()
    heads: list[BoxedHead] = []
    kinds = ("bfjdet", "odgt") if annotations == "auto" else (annotations,)
    # One kind for both parts: ids must not depend on what else is there.
    tables = next((found for found in (_tables(root, kind) for kind in kinds) if found), {})
    if not tables:
        names = " or ".join(_FILES[kind].format("train") for kind in kinds)
        raise SourceError(f"{root}: no CrowdHuman annotation here; expected {names}")
    for part, table in tables.items():
        photos = index_pictures(root, [place.format(part) for place in _PLACES])
        listed = _read_bfjdet(table) if table.suffix == ".json" else _read_odgt(table)
        for identity, photo, box, ignored in listed:
            x, y, w, h = (float(v) for v in box)
            if ignored and not keep_ignored:
                filtered["ignored"] += 1
            elif w <= 1 and h <= 1:
                filtered["no head box"] += 1
            elif min(w, h) < min_side:
                filtered["small"] += 1
            elif photo not in photos:
                filtered["photo not there"] += 1
            else:
                heads.append(
                    BoxedHead(
                        f"{part}/{identity}",
                        photos[photo],
                        (x, y, x + w, y + h),
                        SOURCE,
                        subject=photo,
                        extras={"part": part},
                    )
                )
    if not heads and filtered["photo not there"]:
        raise SourceError(f"{root}: annotations, but none of their photos; expected Images/*.jpg")
    kind = "bfjdet" if next(iter(tables.values())).suffix == ".json" else "odgt"
    meta = {"importer": "crowdhuman", "annotations": kind, "min_side": min_side, "keep_ignored": keep_ignored}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, filtered=filtered)


def _tables(root: Path, kind: str) -> dict[str, Path]:
    places = (".", "annotations", "Annotations", "yolov5_format", "yolov5_format/annotations")
    found = {part: find_file(root, _FILES[kind].format(part), places) for part in ("train", "val")}
    return {part: path for part, path in found.items() if path is not None}


def _read_bfjdet(table: Path) -> Iterator[_Listed]:
    content = read_json(table)
    try:
        stems = {image["id"]: _stem(image["file_name"]) for image in content["images"]}
        for note in sorted(content["annotations"], key=lambda note: (note["image_id"], note["id"])):
            yield str(note["id"]), stems[note["image_id"]], _box(note["h_bbox"]), bool(note.get("ignore"))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{table}: not BFJDet's annotation ({error!r}); download it again") from error


def _read_odgt(table: Path) -> Iterator[_Listed]:
    try:
        with table.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    photo = json_value(line)
                    for index, box in enumerate(photo["gtboxes"]):
                        if box["tag"] == "person":
                            ignored = bool(box.get("head_attr", {}).get("ignore"))
                            yield f"{photo['ID']}#{index}", photo["ID"], _box(box["hbox"]), ignored
                except (KeyError, TypeError, ValueError) as error:
                    raise SourceError(f"{table}: line {number} is malformed ({error!r}); download it again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{table}: cannot be read ({error}); download it again") from error


def _box(value: Any) -> list[float]:
    x, y, w, h = (float(v) for v in value)
    return [x, y, w, h]


def _stem(file: str) -> str:
    """`273271,c9db000d5146c15.jpg` or the same without suffix."""
    return file[: -len(".jpg")] if file.lower().endswith(".jpg") else file


DATA_SET = Source(
    "crowdhuman",
    import_crowdhuman,
    licence="see its page",
    citation="Shao et al., CrowdHuman, 2018; Wan et al., Body-Face Joint Detection, ICCV 2021",
    published=(Published({ALL: 164_870}),),
)
