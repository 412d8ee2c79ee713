"""The boxes that a user gives for photos, from a file or from a program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from semiuhpe.errors import InputError
from semiuhpe.images.urls import Photo
from semiuhpe.prediction.boxes_file import Boxes, boxes_of, checked_boxes, read_boxes
from semiuhpe.prediction.options import StrPath


def photo_boxes(photos: Sequence[Photo], given: StrPath | Mapping[str, ArrayLike] | None) -> list[Boxes | None] | None:
    """Boxes (n, 4) and scores (n,) of each photo, None for one that is not named; None where nothing is given.

    Raises InputError for boxes that are malformed, or name none of the photos.
    """
    if given is None:
        return None
    if isinstance(given, str | os.PathLike):
        known, source = read_boxes(given), str(given)
    else:
        known, source = {name: checked_boxes(name, boxes) for name, boxes in given.items()}, "boxes"
    found = [boxes_of(Path(str(photo)), known) for photo in photos]
    if photos and all(boxes is None for boxes in found):
        name = Path(str(photos[0])).name
        raise InputError(f"{source}: names none of the photos; its keys are their paths or names, such as {name!r}")
    return found
