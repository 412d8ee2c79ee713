"""300W-LP: faces of 300-W turned to large poses by a fitted 3-D model, with the pose of the fit (Zhu et al. 2016).

A folder with `AFW`, `HELEN`, `IBUG`, `LFPW` and their mirrored copies `*_Flip`; in each `NAME.jpg` and `NAME.mat`, whose
`Pose_Para` begins with pitch, yaw, roll in radians (convention `300w-lp`). 68 landmarks are in `landmarks/SUB/NAME_pts.mat`
(`pts_2d`, for the originals; mirrored here for their copies) or else in the file's own `pt2d`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np

from semiuhpe.errors import SourceError
from semiuhpe.geometry.euler import from_euler
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.images.load import load_image
from semiuhpe.sources.importing import (
    ApartFrom,
    Candidate,
    ImportReport,
    Made,
    Rejected,
    Workers,
    check_choice,
    check_share,
    import_heads,
    read_context,
)
from semiuhpe.sources.landmarks.boxes import BOX_RULES, TRAINING_MARGIN, box_of_head, box_with_margins
from semiuhpe.sources.landmarks.face_model import LANDMARKS, MIRRORED, Float
from semiuhpe.sources.matlab import angles_of, numbers_of, read_mat
from semiuhpe.sources.source import ALL, Published, Source

SUB_FOLDERS = ("AFW", "HELEN", "IBUG", "LFPW")
_FLIP = "_Flip"
_PUBLISHED_CLIP_DEG = 89.99


def import_300w_lp(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    box: Annotated[str, "head: the whole head, or landmarks: the published margins"] = "head",
    clip_angles: Annotated[bool, "the published clip of every angle to 89.99 degrees"] = False,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import the folder into a head store.

    val: share of faces (all turned and mirrored copies of a face together) in the validation split; 0 trains on all, as
    published. box: "head", the box of the whole head drawn through the landmarks with the label's pose, or "landmarks", the published margins.
    clip_angles: the published clip of each angle to ±89.99°, which changes the poses beyond it; the default keeps them.
    extras: folder and name (for `ss_ratio`), mirrored, fit_residual (face units, box "head" only).
    Raises SourceError if there is no sub-folder of the set, or no landmarks at all.
    """
    check_choice("box", box, BOX_RULES)
    check_share("val", val)
    root = Path(folder)
    pictures = list(_pictures(root))
    meta = {"importer": "300w-lp", "val": val, "box": box, "clip_angles": clip_angles}
    heads = [Candidate(f"{p.parent.name}/{p.stem}", _Head(root, p, val, box, clip_angles)) for p in pictures]
    return import_heads(store, heads, meta, workers=workers, apart_from=apart_from)


def face_of(name: str) -> str:
    """Which face a picture shows: its name without the trailing number of the turned copy."""
    return re.sub(r"_\d+$", "", name)


def _pictures(root: Path) -> Iterator[Path]:
    folders = [root / (name + flip) for name in SUB_FOLDERS for flip in ("", _FLIP)]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        raise SourceError(f"{root}: no 300W-LP here; expected folders {', '.join(SUB_FOLDERS)} (and *{_FLIP})")
    for folder in found:
        yield from sorted(folder.glob("*.jpg"))


class _Head:
    """Makes one head when called."""

    def __init__(self, root: Path, path: Path, val: float, box: str, clip: bool) -> None:
        self.root, self.path, self.val, self.box, self.clip = root, path, val, box, clip
        self.mirrored = path.parent.name.endswith(_FLIP)
        self.sub_folder = path.parent.name.removesuffix(_FLIP)

    def __call__(self) -> Made:
        annotation = self.path.with_suffix(".mat")
        variables = read_mat(annotation)
        angles = angles_of(variables, annotation)
        if self.clip:
            wrapped = (np.degrees(angles) + 180) % 360 - 180
            angles = np.radians(np.clip(wrapped, -_PUBLISHED_CLIP_DEG, _PUBLISHED_CLIP_DEG))
        rotation = from_euler(angles, "300w-lp")
        extras: dict[str, object] = {"folder": self.sub_folder, "name": self.path.stem, "mirrored": self.mirrored}
        try:
            points = self._landmarks(variables)
            if self.box == "head":
                head, residual = box_of_head(points, rotation)
                extras["fit_residual"] = round(residual, 5)
            else:
                head = box_with_margins(points, TRAINING_MARGIN)
        except Rejected as error:
            raise Rejected(error.kind, f"{self.path}: {error}") from error
        encoded, box = read_context(self.path, head)
        face = face_of(self.path.stem)
        record = HeadRecord(
            id=f"{self.path.parent.name}/{self.path.stem}",
            source="300W-LP",
            subject=f"{self.sub_folder}/{face}",
            box=box,
            split=split_by_subject(f"{self.sub_folder}/{face}", val=self.val),
            rotation=rotation,
            extras=extras,
        )
        return record, encoded

    def _landmarks(self, variables: dict[str, object]) -> Float:
        """(68, 2) pixels of this picture."""
        file = self.root / "landmarks" / self.sub_folder / f"{self.path.stem}_pts.mat"
        if file.exists():
            points = numbers_of(read_mat(file), "pts_2d", file)
            if self.mirrored and points.shape == (LANDMARKS, 2):
                content = self.path.read_bytes() if self.path.is_file() else b""
                points = points[list(MIRRORED)] * [-1.0, 1.0] + [load_image(content).shape[1], 0.0]
        elif "pt2d" in variables:
            points = numbers_of(variables, "pt2d", self.path.with_suffix(".mat"))
            points = points.T if points.shape == (2, LANDMARKS) else points
        else:
            raise Rejected("landmarks", f"no {file} and no pt2d; unpack the set's folder landmarks too")
        if points.shape != (LANDMARKS, 2) or not np.all(np.isfinite(points)):
            raise Rejected("landmarks", f"expected 68 finite landmarks, got an array of shape {points.shape}")
        return points


DATA_SET = Source(
    "300w-lp",
    import_300w_lp,
    licence="see its page",
    citation="Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016",
    published=(Published({ALL: 122_450}),),
)
