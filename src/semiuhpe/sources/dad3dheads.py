"""DAD-3DHeads: heads in the wild with a 3-D head mesh fitted by annotators, over the full range (Martyniuk et al. 2022).

`SPLIT/SPLIT.json` for train, val and test: a list with `item_id`, `bbox` (x, y, w, h of the head) and `attributes`; pictures
`SPLIT/images/ID.png`; annotations `SPLIT/annotations/ID.json` (not for test) with `vertices`, `model_view_matrix` and
`projection_matrix`. The pose is the rotation of diag(1, −1, −1, 1)·model_view, convention `dad-3dheads`.

The set's `val` is what everyone reports errors on, so here it is the split "test"; weights are chosen on a share of `train`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import SourceError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.euler import from_matrix
from semiuhpe.geometry.rotation import Float, project_to_rotation
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.importing import (
    ApartFrom,
    Candidate,
    ImportReport,
    Made,
    Rejected,
    Workers,
    check_share,
    import_heads,
    read_context,
)
from semiuhpe.sources.source import Published, Source

OFFICIAL_SPLITS = ("train", "val", "test")
_TO_CV_CAMERA = np.diag([1.0, -1.0, -1.0])


def import_dad_3dheads(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import the folder with `train`, `val` and `test` (those that are there) into a head store.

    val: share of the official train in the validation split. Official val and test become the split "test"; the latter
    has no poses. extras: official_split, item_id, and each attribute (quality, gender, expression, age, occlusions, pose,
    standard_light). Raises SourceError if there is no split's list, or one that is malformed.
    """
    check_share("val", val)
    root = Path(folder)
    lists = [(name, read_items(root / name / f"{name}.json")) for name in OFFICIAL_SPLITS if (root / name).is_dir()]
    if not lists:
        raise SourceError(f"{root}: no DAD-3DHeads here; expected train/train.json, train/images and train/annotations")
    return import_heads(
        store,
        _candidates(root, lists, val),
        {"importer": "dad-3dheads", "val": val},
        workers=workers,
        apart_from=apart_from,
    )


def read_items(path: Path) -> list[dict[str, Any]]:
    """The list of one split. Raises SourceError."""
    try:
        items = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as JSON ({error}); unpack the data set again") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) and "item_id" in item for item in items):
        raise SourceError(f"{path}: expected a list of objects with item_id, bbox and attributes")
    return items


def rotation_of(model_view: ArrayLike) -> Float:
    """Pose of a model-view matrix (4, 4), OpenGL camera ← head, whose upper left may be scaled evenly.

    → (3, 3) camera←head in the canonical frame. Raises ValueError for anything else.
    """
    matrix = np.asarray(model_view, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)):
        raise ValueError(f"a model-view matrix must be 4 × 4 finite numbers, got shape {matrix.shape}")
    upper = matrix[:3, :3]
    determinant = float(np.linalg.det(upper))
    size = np.cbrt(determinant)
    if determinant <= 0 or not np.allclose(upper @ upper.T, size**2 * np.eye(3), atol=1e-2 * size**2):
        raise ValueError("the model-view matrix holds no rotation")
    return from_matrix(_TO_CV_CAMERA @ project_to_rotation(upper / size), "dad-3dheads")


def _candidates(root: Path, lists: list[tuple[str, list[dict[str, Any]]]], val: float) -> Iterator[Candidate]:
    for official, items in lists:
        for item in items:
            identity = str(item["item_id"])
            split = split_by_subject(identity, val=val) if official == "train" else "test"
            yield Candidate(f"{official}/{identity}", _Head(root / official, item, split))


class _Head:
    """Makes one head when called."""

    def __init__(self, folder: Path, item: dict[str, Any], split: str) -> None:
        self.folder, self.item, self.split = folder, item, split

    def __call__(self) -> Made:
        official, identity = self.folder.name, str(self.item["item_id"])
        picture = self.folder / "images" / f"{identity}.png"
        encoded, box = read_context(picture, self._box())
        attributes = self.item.get("attributes") or {}
        extras = {str(key).replace(" ", "_"): value for key, value in attributes.items()}
        record = HeadRecord(
            id=f"{official}/{identity}",
            source="DAD-3DHeads",
            split=self.split,
            subject=f"DAD-3DHeads/{identity}",
            box=box,
            rotation=self._rotation(),
            extras={**extras, "item_id": identity, "official_split": official},
        )
        return record, encoded

    def _box(self) -> Float:
        try:
            x, y, width, height = (float(value) for value in self.item["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise Rejected("box", f"{self.folder.name}/{self.item['item_id']}: bbox must be x, y, w, h") from error
        return np.array([x, y, x + width, y + height])

    def _rotation(self) -> Float | None:
        path = self.folder / "annotations" / f"{self.item['item_id']}.json"
        if self.folder.name == "test" and not path.exists():
            return None
        try:
            return rotation_of(json_value(path.read_text(encoding="utf-8"))["model_view_matrix"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise Rejected("annotation", f"{path}: cannot be read as an annotation ({error})") from error


DATA_SET = Source(
    "dad-3dheads",
    import_dad_3dheads,
    licence="CC BY-NC-SA",
    citation="Martyniuk et al., DAD-3DHeads: A Large-scale Dense, Accurate and Diverse Dataset, CVPR 2022",
    published=(Published({"train": 37_840, "val": 4_312, "test": 2_746}),),
)
