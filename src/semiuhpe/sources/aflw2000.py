"""AFLW2000-3D: the first 2,000 faces of AFLW with the pose of a fitted 3-D model; the usual test set (Zhu et al. 2016).

A folder of `imageNNNNN.jpg` and `.mat`: `Pose_Para` begins with pitch, yaw, roll in radians (convention `300w-lp`), `pt3d_68` holds the
fitted model's 68 landmarks as x, y, depth in pixels, `pt2d` 21 clicked ones, negative where hidden.

Everything is imported, into the split "test". Two filters are in use, so two extras say who passes: `within_90`, all
|angles| below 90° (1,964 faces; SemiUHPE), and `within_99`, none above 99° (1,969; Hopenet, 6DRepNet).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np

from semiuhpe.errors import SourceError
from semiuhpe.geometry.euler import from_euler
from semiuhpe.heads.record import HeadRecord
from semiuhpe.sources.importing import (
    ApartFrom,
    Candidate,
    ImportReport,
    Made,
    Rejected,
    Workers,
    check_choice,
    import_heads,
    read_context,
)
from semiuhpe.sources.landmarks.boxes import BOX_RULES, TEST_MARGIN, box_of_head, box_with_margins
from semiuhpe.sources.landmarks.face_model import LANDMARKS, Float
from semiuhpe.sources.matlab import angles_of, numbers_of, read_mat
from semiuhpe.sources.source import ALL, Published, Source


def import_aflw2000(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    box: Annotated[str, "head: the whole head, or landmarks: the published margins"] = "head",
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import the folder (AFLW2000 itself, or one that holds it) into a head store.

    box: "head", the box of the whole head drawn through `pt3d_68` with the label's pose, or "landmarks", the published
    margins around `pt2d`. extras: pitch_deg, yaw_deg, roll_deg as labelled, within_90, within_99, fit_residual.
    Raises SourceError if there is no picture with a .mat beside it.
    """
    check_choice("box", box, BOX_RULES)
    root = Path(folder)
    meta = {"importer": "aflw2000", "box": box}
    return import_heads(store, _candidates(root, box), meta, workers=workers, apart_from=apart_from)


def _candidates(root: Path, box: str) -> Iterator[Candidate]:
    inner = root / "AFLW2000"
    home = inner if inner.is_dir() else root
    pictures = sorted(path for path in home.glob("*.jpg") if path.with_suffix(".mat").exists())
    if not pictures:
        raise SourceError(f"{root}: no AFLW2000 here; expected image00002.jpg and image00002.mat, and so on")
    for path in pictures:
        yield Candidate(path.stem, _Head(path, box))


class _Head:
    """Makes one head when called."""

    def __init__(self, path: Path, box: str) -> None:
        self.path, self.box = path, box

    def __call__(self) -> Made:
        annotation = self.path.with_suffix(".mat")
        variables = read_mat(annotation)
        angles = angles_of(variables, annotation)
        degrees = np.degrees(angles)
        rotation = from_euler(angles, "300w-lp")
        pitch, yaw, roll = (round(float(value), 6) for value in degrees)
        extras: dict[str, object] = {
            "pitch_deg": pitch,
            "yaw_deg": yaw,
            "roll_deg": roll,
            "within_90": bool(np.all(np.abs(degrees) < 90)),
            "within_99": bool(np.all(np.abs(degrees) <= 99)),
        }
        try:
            if self.box == "head":
                head, residual = box_of_head(self._fitted(variables, annotation), rotation)
                extras["fit_residual"] = round(residual, 5)
            else:
                head = box_with_margins(self._clicked(variables, annotation), TEST_MARGIN)
        except Rejected as error:
            raise Rejected(error.kind, f"{self.path}: {error}") from error
        encoded, box = read_context(self.path, head)
        record = HeadRecord(
            id=self.path.stem,
            source="AFLW2000",
            split="test",
            subject=f"AFLW2000/{self.path.stem}",
            box=box,
            rotation=rotation,
            extras=extras,
        )
        return record, encoded

    @staticmethod
    def _fitted(variables: dict[str, object], path: Path) -> Float:
        points = numbers_of(variables, "pt3d_68", path)
        if points.shape != (3, LANDMARKS):
            raise Rejected("landmarks", f"pt3d_68 must be 3 × 68, got {points.shape}")
        return points[:2].T

    @staticmethod
    def _clicked(variables: dict[str, object], path: Path) -> Float:
        points = numbers_of(variables, "pt2d", path)
        if points.ndim != 2 or points.shape[0] != 2:
            raise Rejected("landmarks", f"pt2d must be 2 × n, got {points.shape}")
        return points.T[np.all(points > 0, axis=0)]


DATA_SET = Source(
    "aflw2000",
    import_aflw2000,
    licence="research",
    citation="Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016",
    published=(Published({ALL: 2_000}),),
)
