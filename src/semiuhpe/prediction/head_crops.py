"""`--save-crops`: every head as a picture of its own, the square that the pose network saw, at the photo's own resolution.

The name is `STEM_HEAD.jpg`, so that a crop is found from a row of a table: STEM is the photo's and HEAD the row's `head`, or
in a video STEM is the `frame` and HEAD the `track_id`.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from semiuhpe.files.atomic import write_atomically
from semiuhpe.geometry.crop import Image, crop_head, crop_square
from semiuhpe.poses.head_poses import HeadPoses

CROPS = "crops"
"""Folder of the crops, inside that of the results."""

_LARGEST_SIDE = 4096
_OF_FRAME = re.compile(r"(\d{6,})_(?:\d+|head\d+)\.jpg")


def head_crops(image: Image, heads: HeadPoses) -> list[Image]:
    """The square around each head, (s, s, 3) uint8: as many pixels as the picture has there, 4096 a side at most."""
    sides = [round(crop_square(box)[2]) for box in heads.box]
    return [crop_head(image, box, min(max(side, 1), _LARGEST_SIDE)) for box, side in zip(heads.box, sides, strict=True)]


def write_crops(folder: Path, crops: Mapping[str, Image]) -> None:
    """Write crops by their path inside the folder, each under its name only when it is whole. Raises OSError."""
    from PIL import Image as Pillow

    if crops:
        (folder / CROPS).mkdir(exist_ok=True)
    for name, crop in crops.items():
        content = io.BytesIO()
        Pillow.fromarray(crop).save(content, format="JPEG", quality=95)
        write_atomically(folder / name, content.getvalue())


def names_of_frame(frame: int, heads: HeadPoses) -> list[str]:
    """Paths of the crops of a video's frame: by track id, `head2` for the second head where it is not tracked."""
    ids = [f"{track}" if track >= 0 else f"head{number}" for number, track in enumerate(heads.track_id.tolist(), 1)]
    return [f"{CROPS}/{frame:06d}_{head}.jpg" for head in ids]


def with_crops(heads: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Heads as dicts with the path of their crop; as they are where no crops are kept."""
    return [{**head, "crop": name} for head, name in zip(heads, names, strict=True)] if names else list(heads)


def crops_of(entry: Mapping[str, Any]) -> list[str]:
    """Paths of the crops that a photo's entry tells of. Raises ValueError for one that is not among the crops."""
    names = [head["crop"] for head in entry.get("heads", []) if "crop" in head]
    if any(name != f"{CROPS}/{Path(name).name}" or "\\" in name for name in names):
        raise ValueError("a crop outside of the folder")
    return names


def delete_crops(folder: Path, names: Iterable[str]) -> None:
    """Delete crops, and their folder if nothing is left in it."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is none, or it is not empty
        (folder / CROPS).rmdir()


def delete_frames_from(folder: Path, frame: int) -> None:
    """Delete the crops of a video from a frame on; other files are left alone."""
    try:
        found = [path for path in (folder / CROPS).iterdir() if _OF_FRAME.fullmatch(path.name)]
    except FileNotFoundError:
        return
    late = [path for path in found if int(path.name.partition("_")[0]) >= frame]
    delete_crops(folder, (f"{CROPS}/{path.name}" for path in late))
