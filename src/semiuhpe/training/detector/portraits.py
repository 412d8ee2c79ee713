"""Face crops with 68 landmarks as portraits with a head box, for training the detector on heads that fill the frame.

The head box is estimated: landmarks end at the brows, so hair and skull are added in proportion. It is good to
an IoU of about 0.8 of what an annotator would draw.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import AssetsError
from semiuhpe.sources.landmarks.boxes import read_points
from semiuhpe.sources.scut_head import AnnotatedPhoto

SIDES, ABOVE, BELOW = 0.14, 0.50, 0.05
"""What a head reaches beyond its landmarks' box: fractions of that box's width (each side) and height."""


def read_pts(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Points of an iBUG `.pts` file, (n, 2) float64 pixels. Raises AssetsError if it is malformed."""
    try:
        points = read_points(path)
    except (OSError, ValueError) as error:
        raise AssetsError(f"{path}: not a .pts file ({error})") from error
    if len(points) < 2 or not np.all(np.isfinite(points)):
        raise AssetsError(f"{path}: needs at least two finite points")
    return points


def head_box_of_landmarks(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimated head box (4,) of an upright face's 68 landmarks (n, 2)."""
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    width, height = x2 - x1, y2 - y1
    return np.array([x1 - SIDES * width, y1 - ABOVE * height, x2 + SIDES * width, y2 + BELOW * height])


def read_portraits(folder: str | os.PathLike[str]) -> tuple[list[AnnotatedPhoto], list[str]]:
    """All `.pts` files below a folder with the `.jpg` beside each. → photos with one box each, what was skipped.

    Raises AssetsError if there is none.
    """
    photos: list[AnnotatedPhoto] = []
    skipped: list[str] = []
    for path in sorted(Path(folder).rglob("*.pts")):
        try:
            box = head_box_of_landmarks(read_pts(path))
            image = path.with_suffix(".jpg")
            if not image.is_file():
                raise AssetsError(f"{path}: no picture {image.name} beside it")
        except AssetsError as error:
            skipped.append(str(error))
            continue
        photos.append(AnnotatedPhoto(image, box[None]))
    if not photos:
        raise AssetsError(f"{folder}: no landmarked pictures (.pts with .jpg) here")
    return photos, skipped
