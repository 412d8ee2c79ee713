"""The heads with the largest conflict, drawn: the committee's answer on the left, what disagrees most on the right."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as Pillow

from semiuhpe.drawing.axes import draw_axes
from semiuhpe.drawing.sheet import contact_sheet, head_tile
from semiuhpe.files.atomic import write_atomically
from semiuhpe.geometry.rotation import Float, from_quaternion, geodesic_distance
from semiuhpe.heads.store import HeadStore
from semiuhpe.labelling.report import SHEET, HeadReport, heads_of

COUNT = 32
_PAIRS = 4  # in a row
_TILE = 160


def write_sheet(store: HeadStore, count: int = COUNT) -> Path:
    """Write `SHEET` into the store's folder. → its path"""
    answered = [head for head in heads_of(store) if head.answer is not None]
    pictures, captions = [], []
    for head in sorted(answered, key=lambda head: -head.conflict_deg)[:count]:
        other, name = _opponent(head)
        tile, box = head_tile(store.image(head.number), head.record.box, _TILE)
        pictures += [draw_axes(tile, np.asarray(pose)[None], box[None]) for pose in (head.answer, other)]
        captions += [f"{head.conflict_deg:.0f}° {PurePosixPath(head.record.id).name}", name]
    sheet = contact_sheet(pictures, columns=2 * _PAIRS, tile=_TILE, captions=captions)
    buffer = io.BytesIO()
    Pillow.fromarray(sheet).save(buffer, "JPEG", quality=88)
    path = store.path / SHEET
    write_atomically(path, buffer.getvalue())
    return path


def _opponent(head: HeadReport) -> tuple[Float, str]:
    """The pose that is furthest from the answer, and whose it is."""
    assert head.answer is not None
    answer = head.answer
    said = {name: from_quaternion(teacher["quaternion"]) for name, teacher in head.teachers.items() if teacher["used"]}
    if head.given is not None:
        said["given label"] = head.given
    name = max(said, key=lambda key: float(geodesic_distance(said[key], answer)))
    return said[name], name
