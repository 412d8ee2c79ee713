"""CMU Panoptic and AGORA with full-range head poses, in the COCO-style JSON of DirectMHP (Zhou et al. 2023).

`annotations/*.json` with `images` (file_name, width, height, id) and `annotations` (image_id, `bbox` = x, y, w, h of the head,
`euler_angles` = pitch, yaw, roll in degrees). The angles are 300W-LP's, with yaw over the full circle, as WHENet introduced for Panoptic:
convention `whenet` of `semiuhpe.geometry.euler`, `R = Rx(−pitch)·Ry(yaw)·Rz(roll)`. Pictures are looked for in `images`, in its
sub-folders `train`, `val`, `validation` and `test`, and beside the JSON.

A file with "val" or "test" in its name is the published test set; of the others a share of the scenes is kept for validation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from semiuhpe.errors import SourceError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import Float
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
from semiuhpe.sources.source import Source

_PLACES = ("images", "images/train", "images/val", "images/validation", "images/test", "")


def import_panoptic(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import CMU Panoptic: a JSON file, or a folder with `annotations/*.json` and `images`. See `import_coco_poses`.

    Frames of one recording (`171204_pose3`) share a split.
    """
    return import_coco_poses(path, store, source="Panoptic", val=val, workers=workers, apart_from=apart_from)


def import_agora(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import AGORA, as `import_panoptic`. Pictures of one scene (the name without its last numbers) share a split."""
    return import_coco_poses(path, store, source="AGORA", val=val, workers=workers, apart_from=apart_from)


def import_coco_poses(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    source: str,
    val: float,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import every annotated head into a store.

    val: share of scenes in the validation split. extras: file, pitch_deg, yaw_deg, roll_deg as labelled. Raises
    SourceError if there is no JSON, or one without `images` and `annotations`.
    """
    check_share("val", val)
    given = Path(path)
    files = [given] if given.is_file() else sorted([*given.glob("annotations/*.json"), *given.glob("*.json")])
    if not files:
        raise SourceError(f"{given}: no annotations here; expected annotations/*.json and images")
    root = given.parent if given.is_file() else given
    root = root.parent if root.name == "annotations" else root
    meta = {"importer": source.lower(), "val": val, "files": [file.name for file in files]}
    return import_heads(store, _candidates(root, files, source, val), meta, workers=workers, apart_from=apart_from)


def scene_of(file_name: str) -> str:
    """What a picture belongs to: the Panoptic recording in its name, or the name without its last numbers."""
    recording = re.search(r"\d{6}_[A-Za-z]+\d*(?:_[a-z]\d+)?", file_name)
    stem = re.sub(r"_\d+x\d+$", "", Path(file_name).stem)
    return recording[0] if recording else re.sub(r"[_-]?\d+$", "", stem) or stem


def _read(path: Path) -> tuple[dict[Any, dict[str, Any]], list[dict[str, Any]]]:
    try:
        content = json_value(path.read_text(encoding="utf-8"))
        return {image["id"]: image for image in content["images"]}, list(content["annotations"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: no COCO-style JSON with images and annotations ({error!r})") from error


def _candidates(root: Path, files: list[Path], source: str, val: float) -> Iterator[Candidate]:
    for file in files:
        images, annotations = _read(file)
        test = re.search(r"val|test", file.stem, re.IGNORECASE) is not None
        heads: dict[Any, int] = {}
        for annotation in annotations:
            image = images.get(annotation.get("image_id"))
            number = heads[annotation.get("image_id")] = heads.get(annotation.get("image_id"), -1) + 1
            name = "" if image is None else str(image.get("file_name", ""))
            scene = f"{source}/{scene_of(name)}" if name else source
            split = "test" if test else split_by_subject(scene, val=val)
            identity = f"{name or file.stem}#{number}"
            yield Candidate(identity, _Head(root, name, identity, annotation, split, source, scene))


class _Head:
    """Makes one head when called."""

    def __init__(
        self, root: Path, name: str, identity: str, annotation: dict[str, Any], split: str, source: str, scene: str
    ) -> None:
        self.root, self.name, self.identity, self.annotation = root, name, identity, annotation
        self.split, self.source, self.scene = split, source, scene

    def __call__(self) -> Made:
        if not self.name:
            raise Rejected("annotation", f"{self.identity}: belongs to a picture that is not listed")
        x, y, width, height = self._numbers("bbox", 4)
        pitch, yaw, roll = self._numbers("euler_angles", 3)
        found = (self.root / place / self.name for place in _PLACES)
        picture = next((path for path in found if path.is_file()), self.root / "images" / self.name)
        encoded, box = read_context(picture, [x, y, x + width, y + height])
        record = HeadRecord(
            id=self.identity,
            source=self.source,
            split=self.split,
            subject=self.scene,
            box=box,
            rotation=from_euler_deg([pitch, yaw, roll], "whenet"),
            extras={"file": self.name, "pitch_deg": pitch, "yaw_deg": yaw, "roll_deg": roll},
        )
        return record, encoded

    def _numbers(self, key: str, count: int) -> list[float]:
        try:
            values: Float = np.asarray(self.annotation[key], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise Rejected("annotation", f"{self.identity}: {key} must be {count} numbers") from error
        if values.shape != (count,) or not np.all(np.isfinite(values)):
            raise Rejected("annotation", f"{self.identity}: {key} must be {count} finite numbers")
        return [float(value) for value in values]


AGORA = Source(
    "agora",
    import_agora,
    licence="see its page",
    citation="Patel et al., AGORA, CVPR 2021; Zhou et al., DirectMHP, 2023",
)
PANOPTIC = Source(
    "panoptic",
    import_panoptic,
    licence="see its page",
    citation="Joo et al., Panoptic Studio, ICCV 2015; Zhou et al., DirectMHP, 2023",
)
