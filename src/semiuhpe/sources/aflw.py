"""AFLW: 24,386 faces of flickr photos with up to 19 visible landmarks, as an unlabelled pool (Köstinger et al. 2011).

`AFLWinfo_release.mat` holds `nameList` (pictures), `data` (x of 19 landmarks, then y), `bbox` and `mask_new` (which
landmarks are visible). It has no poses. Faces of pictures that are in AFLW2000 must not be trained on: their names come
from `AFLW2000.txt`, or from the pictures of an AFLW2000 folder, beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import SourceError
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
from semiuhpe.sources.landmarks.boxes import BOX_RULES, TRAINING_MARGIN, box_with_margins
from semiuhpe.sources.landmarks.face_model import FaceFit, Float, affine_pose, default_face_model, head_boxes
from semiuhpe.sources.matlab import numbers_of, read_mat
from semiuhpe.sources.source import ALL, Published, Source

LANDMARKS_19 = (
    (17,), (19,), (21,), (22,), (24,), (26,),
    (36,), (36, 37, 38, 39, 40, 41), (39,), (42,), (42, 43, 44, 45, 46, 47), (45,),
    (31,), (30,), (35,), (48,), (62, 66), (54,), (8,),
)  # fmt: skip
"""The iBUG landmarks that each of AFLW's 19 is the mean of: brows, eyes, nose, mouth (left to right), chin."""

_FEWEST = 8
_FOLDERS = ("", "images", "flickr", "data/flickr", "aflw/data/flickr")


def import_aflw(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    box: Annotated[str, "head: the whole head, or landmarks: the published margins"] = "head",
    exclude: Annotated[str, "file with the names of AFLW2000's pictures, one a line"] = "",
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import the folder into a head store, without rotations.

    box: "head", drawn through the visible landmarks where there are enough of them, or "landmarks", the published margins. exclude: the
    list of AFLW2000's pictures, or their folder; default `AFLW2000.txt` or `AFLW2000` in the folder. extras: file, visible
    (number of landmarks), box_from. Raises SourceError if the .mat or the list is missing.
    """
    check_choice("box", box, BOX_RULES)
    root = Path(folder)
    excluded = excluded_names(Path(exclude) if exclude else root)
    names, points, visible = read_aflw(root / "AFLWinfo_release.mat")
    meta = {"importer": "aflw", "box": box, "excluded": len(excluded)}
    return import_heads(
        store, _candidates(root, names, points, visible, excluded, box), meta, workers=workers, apart_from=apart_from
    )


def excluded_names(path: Path) -> set[str]:
    """Stems of the pictures of AFLW2000: from a list, a folder of its pictures, or a folder that holds either.

    Raises SourceError where there is none.
    """
    for candidate in (path / "AFLW2000.txt", path / "AFLW2000", path):
        if candidate.is_file():
            lines = candidate.read_text(encoding="utf-8").split()
            names = {Path(line).stem for line in lines}
        elif candidate.is_dir():
            names = {picture.stem for picture in candidate.glob("image*.jpg")}
        else:
            continue
        if names:
            return names
    raise SourceError(f"{path}: no AFLW2000.txt and no AFLW2000 folder; list its pictures, they are a test set")


def read_aflw(path: Path) -> tuple[list[str], Float, NDArray[np.bool_]]:
    """Names of n faces' pictures, landmarks (n, 19, 2) pixels, and which of them are visible (n, 19). Raises SourceError."""
    variables = read_mat(path)
    data, mask = numbers_of(variables, "data", path), numbers_of(variables, "mask_new", path)
    if "nameList" not in variables:
        raise SourceError(f"{path}: has no variable nameList")
    names = [str(np.asarray(entry).ravel()[0]) for entry in np.asarray(variables["nameList"]).ravel()]
    if data.shape != (len(names), 38) or mask.shape != (len(names), 19):
        raise SourceError(f"{path}: data must be n × 38 and mask_new n × 19, got {data.shape} and {mask.shape}")
    return names, data.reshape(-1, 2, 19).transpose(0, 2, 1), mask > 0.5


def box_of_landmarks(points: Float, visible: NDArray[np.bool_]) -> Float | None:
    """Box of the whole head from the visible ones of 19 landmarks; None where they do not tell it.

    points (19, 2), visible (19,) → (4,) x1, y1, x2, y2.
    """
    if visible.sum() < _FEWEST:
        return None
    model = default_face_model()
    shape = np.stack([model.mean[list(group)].mean(axis=0) for group in LANDMARKS_19])
    seen = points[visible]
    try:
        pose = affine_pose(seen[None], shape[visible])
    except np.linalg.LinAlgError:
        return None
    fit = FaceFit(*pose, np.zeros((1, len(model.modes))), np.zeros(1))
    errors = (fit.project(shape[visible])[0] - seen) / fit.scale[0]
    box = np.asarray(head_boxes(fit, model)[0])
    # A near profile can flip or flatten the closed-form pose; its landmarks then do not lie on the face drawn.
    if not np.all(np.isfinite(box)) or np.sqrt((errors**2).sum(axis=1).mean()) > 0.35:
        return None
    return box


def _candidates(
    root: Path, names: list[str], points: Float, visible: NDArray[np.bool_], excluded: set[str], box: str
) -> Iterator[Candidate]:
    seen: dict[str, int] = {}
    for name, face, mask in zip(names, points, visible, strict=True):
        number = seen[name] = seen.get(name, -1) + 1
        if Path(name).stem in excluded:
            continue
        identity = f"{name}#{number}" if number else name
        yield Candidate(identity, _Head(root, name, identity, face, mask, box))


class _Head:
    """Makes one head when called."""

    def __init__(
        self, root: Path, name: str, identity: str, points: Float, visible: NDArray[np.bool_], box: str
    ) -> None:
        self.root, self.name, self.identity, self.box = root, name, identity, box
        self.points, self.visible = points, visible & np.all(np.isfinite(points), axis=1)

    def __call__(self) -> Made:
        head = box_of_landmarks(self.points, self.visible) if self.box == "head" else None
        extras = {
            "file": self.name,
            "visible": int(self.visible.sum()),
            "box_from": "landmarks" if head is None else "head",
        }
        try:
            if head is None:
                head = box_with_margins(self.points[self.visible], TRAINING_MARGIN)
        except Rejected as error:
            raise Rejected(error.kind, f"{self.name}: {error}") from error
        found = (self.root / folder / self.name for folder in _FOLDERS)
        picture = next((path for path in found if path.is_file()), self.root / self.name)
        encoded, box = read_context(picture, head)
        record = HeadRecord(
            id=self.identity, source="AFLW", split="unlabelled", subject=f"AFLW/{self.name}", box=box, extras=extras
        )
        return record, encoded


DATA_SET = Source(
    "aflw",
    import_aflw,
    licence="see its page",
    citation="Köstinger et al., Annotated Facial Landmarks in the Wild, ICCV Workshops 2011",
    published=(Published({ALL: 22_246}),),
)
