"""WIDER FACE: faces in the wild with a tight box each, without poses.

Unpacked: `wider_face_split/wider_face_{train,val}_bbx_gt.txt` and `WIDER_{train,val}/images/EVENT/*.jpg`. The text names
a photo, then the number of its faces, then a line `x y w h blur expression illumination invalid occlusion pose` for each;
a photo without faces still has one line, of zeros.

The boxes end at forehead, chin and cheeks. The head's box is the face's with `margin` × its width added on the left and
on the right and 2 · `margin` × its height above (hair and skull reach further up than to the sides), nothing below the chin.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from semiuhpe.errors import SourceError
from semiuhpe.sources.importing import ApartFrom, BoxedHead, ImportReport, Workers, import_heads
from semiuhpe.sources.pictures import Box, find_file, need_folder
from semiuhpe.sources.source import ALL, Published, Source

MIN_SIDE = 25.0
MARGIN = 0.15
SOURCE = "WIDERFace"
_PARTS = ("train", "val")
_QUALITIES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")


def import_widerface(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    min_side: Annotated[float, "shorter side of a face at least, pixels"] = MIN_SIDE,
    max_blur: Annotated[int, "0 clear, 1 normal, 2 heavy"] = 2,
    max_expression: Annotated[int, "0 typical, 1 exaggerated"] = 1,
    max_illumination: Annotated[int, "0 normal, 1 extreme"] = 1,
    max_invalid: Annotated[int, "0 recognisable, 1 not"] = 1,
    max_occlusion: Annotated[int, "0 none, 1 partial, 2 heavy"] = 2,
    max_pose: Annotated[int, "0 typical, 1 atypical"] = 1,
    margin: Annotated[float, "head beyond the face: this × width at each side, twice this × height above"] = MARGIN,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """WIDER FACE: faces of the train and val photos as heads, unlabelled.

    The size filter is on the face's box, which is enlarged to the head's afterwards. No quality filter is on by default.
    extras: part and the six qualities. Raises SourceError if no annotation is there or one is malformed.
    """
    root = need_folder(Path(folder))
    limits = {
        "blur": max_blur,
        "expression": max_expression,
        "illumination": max_illumination,
        "invalid": max_invalid,
        "occlusion": max_occlusion,
        "pose": max_pose,
    }
    filtered: Counter[str] = Counter()
    heads: list[BoxedHead] = []
    found = False
    for part in _PARTS:
        table = find_file(root, f"wider_face_{part}_bbx_gt.txt", ("wider_face_split", "."))
        if table is None:
            continue
        found = True
        photos = _photo_folder(root, part)
        for photo, number, face, qualities in read_faces(table):
            if face[2] < min_side or face[3] < min_side:
                filtered["small"] += 1
                continue
            excess = next((name for name in _QUALITIES if qualities[name] > limits[name]), None)
            if excess is not None:
                filtered[excess] += 1
                continue
            heads.append(
                BoxedHead(
                    f"{part}/{photo}#{number}",
                    photos / photo,
                    head_box_of_face(face, margin),
                    SOURCE,
                    subject=f"{part}/{photo}",
                    extras={"part": part, **qualities},
                )
            )
    if not found:
        raise SourceError(f"{root}: no WIDER FACE here; expected wider_face_split/wider_face_train_bbx_gt.txt")
    meta = {"importer": "widerface", "min_side": min_side, "margin": margin, "limits": limits}
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from, filtered=filtered)


def head_box_of_face(face: Box, margin: float = MARGIN) -> Box:
    """Box of the head, x1, y1, x2, y2, from a tight face box x, y, w, h (see the module), both in pixels."""
    x, y, width, height = face
    return x - margin * width, y - 2 * margin * height, x + (1 + margin) * width, y + height


def read_faces(table: Path) -> Iterator[tuple[str, int, Box, dict[str, int]]]:
    """Photo, number of the face in it, box x, y, w, h in pixels and the six qualities, of each face.

    Raises SourceError, naming the line, for a malformed file.
    """
    try:
        lines = table.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{table}: cannot be read ({error}); unpack it again") from error
    position = 0
    while position < len(lines):
        photo = lines[position].strip()
        position += 1
        if not photo:
            continue
        try:
            count = int(lines[position])
            faces = [[float(v) for v in lines[position + 1 + k].split()] for k in range(count)]
            if any(len(face) != 4 + len(_QUALITIES) for face in faces):
                raise ValueError("ten numbers a face expected")
        except (IndexError, ValueError) as error:
            raise SourceError(
                f"{table}: malformed after line {position} ({photo}: {error}); unpack it again"
            ) from error
        position += 1 + max(count, 1)  # a photo without faces has a line of zeros
        for number, values in enumerate(faces):
            x, y, w, h = values[:4]
            yield photo, number, (x, y, w, h), {k: int(v) for k, v in zip(_QUALITIES, values[4:], strict=True)}


def _photo_folder(root: Path, part: str) -> Path:
    name = f"WIDER_{part}"
    for folder in (root / name / "images", root / name / name / "images"):
        if folder.is_dir():
            return folder
    raise SourceError(f"{root}: annotations of {part}, but no photos; expected {name}/images")


DATA_SET = Source(
    "widerface",
    import_widerface,
    licence="see its page",
    citation="Yang et al., WIDER FACE: A Face Detection Benchmark, CVPR 2016",
    published=(Published({ALL: 62_100}),),
)
