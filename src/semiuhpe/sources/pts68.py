"""Folders of pictures with 68 iBUG landmarks in `.pts` files (HELEN, AFW, LFPW, 300-W, frames of YouTube Faces, ...).

Beside each `NAME.jpg` (or .png) lies `NAME.pts`: a header with `n_points: 68`, then 68 lines `x y` in braces. The
pose is fitted (see `geometry.landmarks`), and so is the box of the whole head. Who belongs together is told by names:
`4512714865_1` and `_2` are faces of photo 4512714865, `Jane_Doe_07` is a frame of Jane Doe; they share a split.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from semiuhpe.errors import SourceError
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.importing import (
    ApartFrom,
    Candidate,
    ImportReport,
    Made,
    Rejected,
    Workers,
    find_pictures,
    import_heads,
    read_context,
)
from semiuhpe.sources.landmarks.boxes import read_points
from semiuhpe.sources.landmarks.face_model import (
    LANDMARKS,
    Float,
    default_face_model,
    fit_faces,
    head_boxes,
    official_pose,
)
from semiuhpe.sources.pose_labels import LabelsFile, PoseLabel, PoseLabels, doubts
from semiuhpe.sources.source import Source

RESIDUAL_LIMIT = 0.08
"""Fits with a larger residual (face units; typical 0.04) are left out: wrong or hidden landmarks, odd grimaces."""

Placed = Literal["hand", "network"]

_WIDEST = 1e5  # pixels; landmarks further out are nonsense


def read_pts(path: str | os.PathLike[str]) -> Float:
    """Landmarks of a `.pts` file. → (68, 2) float64 pixels as written (iBUG counts from 1, to half a pixel alike).

    Raises Rejected for a file that is missing or does not hold 68 finite points.
    """
    try:
        points = read_points(path)
    except (OSError, ValueError) as error:
        raise Rejected("landmarks", f"{path}: cannot be read as landmarks ({error})") from error
    if points.shape != (LANDMARKS, 2) or not np.all(np.abs(points) < _WIDEST):
        raise Rejected("landmarks", f"{path}: {points.size} finite numbers expected to be {2 * LANDMARKS}")
    return points


def subject_of(name: str) -> str:
    """Who or which photo a file belongs to: its stem without the trailing `_NUMBER`."""
    return re.sub(r"_\d+$", "", name)


def import_pts68(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    source: Annotated[str, "name of the data set, default the folder's"] = "",
    val: Annotated[float, "share of subjects in the validation split"] = 0.1,
    placed: Annotated[
        Placed, "who placed the landmarks: people (hand), or a network that learnt official ones"
    ] = "hand",
    labels: LabelsFile = None,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Pictures with 68 landmarks in .pts files, labelled with fitted poses in the frame of the official labels.

    source: name of the data set, default the folder's. placed: people and networks place landmarks otherwise, and the
    fitted pitch differs by `HAND_PITCH_DEG`. val: share of subjects in the validation split; the rest is
    train. extras: fit_residual (face units), fit_scale (pixels per face unit), file. Broken pairs and fits worse than
    `RESIDUAL_LIMIT` are rejected one by one. labels: poses that replace the fitted ones (see `pose_labels`), by the
    pictures' paths below the folder; a head whose label is in doubt is unlabelled. Raises SourceError if there is no picture with landmarks at all.
    """
    root = Path(folder)
    name = source or root.resolve().name
    meta = {
        "importer": "pts68",
        "source": name,
        "val": val,
        "labels": "deformable fit of 68 landmarks, weak perspective",
        "placed": placed,
    }
    stated = PoseLabels(labels) if labels else None
    if stated is not None:
        meta["labels"] = stated.digest
    heads = list(_heads(root, name, val, placed, stated))
    candidates = [Candidate(head.identity, head) for head in heads]
    unlabelled = doubts(head.label for head in heads if head.label is not None)
    return import_heads(store, candidates, meta, workers=workers, apart_from=apart_from, unlabelled=unlabelled)


def _heads(root: Path, source: str, val: float, placed: Placed, labels: PoseLabels | None) -> Iterator[_Head]:
    pictures = [path for path in find_pictures(root) if path.with_suffix(".pts").exists()]
    if not pictures:
        raise SourceError(f"{root}: no picture with a .pts file beside it; expected NAME.jpg and NAME.pts")
    for path in pictures:
        label = None if labels is None else labels.of(path.relative_to(root).as_posix())
        yield _Head(root, path, source, val, placed, label)


@dataclass(frozen=True)
class _Head:
    """Makes one head when called. label: what replaces the fitted pose, None for nothing."""

    root: Path
    path: Path
    source: str
    val: float
    placed: Placed
    label: PoseLabel | None

    @property
    def identity(self) -> str:
        return self.path.relative_to(self.root).with_suffix("").as_posix()

    def __call__(self) -> Made:
        points = read_pts(self.path.with_suffix(".pts"))
        if np.ptp(points[17:], axis=0).max() <= 0:
            raise Rejected("landmarks", f"{self.path}: all landmarks coincide")
        model = default_face_model()
        fit = fit_faces(points, model)
        residual = float(fit.residual[0])
        if not residual <= RESIDUAL_LIMIT:
            raise Rejected(
                "fit", f"{self.path}: the landmarks fit no face (residual {residual:.3f} > {RESIDUAL_LIMIT})"
            )
        encoded, box = read_context(self.path, head_boxes(fit, model)[0])
        label = self.label or PoseLabel(official_pose(fit.rotation[0], hand_placed=self.placed == "hand"))
        subject = subject_of(self.path.stem)
        extras = {
            "file": self.path.relative_to(self.root).as_posix(),
            "fit_residual": round(residual, 5),
            "fit_scale": round(float(fit.scale[0]), 4),
            **label.extras,
        }
        record = HeadRecord(
            id=self.identity,
            source=self.source,
            subject=f"{self.source}/{subject}",
            box=box,
            split=split_by_subject(subject, val=self.val) if label.rotation is not None else "unlabelled",
            rotation=label.rotation,
            extras=extras,
        )
        return record, encoded


DATA_SET = Source(
    "pts68",
    import_pts68,
    licence="research / as its source",
    citation="Sagonas et al., 300 Faces in-the-Wild Challenge, ICCV Workshops 2013",
)
