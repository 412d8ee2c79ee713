"""Faces with 68 iBUG landmarks in `.pts` files (HELEN, AFW, YouTube Faces, ...): poses by fitting a 3-D face.

Layout: pictures with a `.pts` of the same stem beside each, in any depth of sub-folders. The head box is that of the
whole fitted head (skull, ears, chin), as in every other source, not that of the face.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from semiuhpe.errors import ImageError, StoreError
from semiuhpe.geometry.crop import MARGIN, Image, crop_matrix, crop_square, warp
from semiuhpe.geometry.landmarks import LANDMARKS, Float, default_face_model, fit_faces
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.inference.media import SUFFIXES, load_image

CONTEXT = 2.0
LARGEST_CONTEXT = 288
WORST_RESIDUAL = 0.15
"""Fits that leave more than this, in face units, have wrong landmarks or no visible face."""

_BATCH = 128


@dataclass
class ImportReport:
    """What became of the files. skipped: file → why, for those that are not in the store."""

    added: int = 0
    known: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


def read_pts(path: Path) -> Float:
    """Landmarks of a `.pts` file, (68, 2), continuous pixels. Raises ImageError for a malformed file.

    The format counts pixels from one at the centre of the first, so half a pixel comes off.
    """
    try:
        body = path.read_text().split("{", 1)[1].split("}", 1)[0]
        points = np.array([[float(v) for v in line.split()] for line in body.strip().splitlines()], dtype=np.float64)
    except (OSError, IndexError, ValueError) as error:
        raise ImageError(f"{path}: not a .pts file ({error}); download it again") from error
    if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
        raise ImageError(f"{path}: expected {LANDMARKS} landmarks of two numbers, got {points.shape}")
    return np.asarray(points - 0.5)


def subject_of(path: Path) -> str:
    """Who it is, or for unnamed faces which photo: the stem without the number after its last underscore."""
    return re.sub(r"_\d+$", "", path.stem)


def split_of(subject: str, val: float) -> str:
    """Split of a subject, from its name alone."""
    from zlib import crc32

    return "val" if crc32(subject.encode()) % 10_000 < val * 10_000 else "train"


def context_crop(
    image: Image, box: tuple[float, float, float, float]
) -> tuple[Image, tuple[float, float, float, float]]:
    """The square around a head, twice the crop side, and the box in it; shrunk to at most `LARGEST_CONTEXT` pixels."""
    x, y, side = crop_square(box, MARGIN * CONTEXT)
    size = int(min(round(side), LARGEST_CONTEXT))
    matrix = crop_matrix(x, y, side, size)
    scaled = matrix[:, :2] @ np.reshape(box, (2, 2)).T + matrix[:, 2:]
    return warp(image, matrix, size), (scaled[0, 0], scaled[1, 0], scaled[0, 1], scaled[1, 1])


def prepare(folder: Path, store: Path, *, val: float = 0.1) -> Iterator[ImportReport]:
    """Import a folder of pictures with `.pts`; yields the report as it grows, and again at the end. Resumable.

    val: share of the subjects that go to the "val" split. Raises StoreError where the folder holds no .pts.
    """
    files = sorted(folder.rglob("*.pts"))
    if not files:
        raise StoreError(f"{folder}: holds no .pts files; give the folder of the pictures and their landmarks")
    report = ImportReport()
    with HeadStoreWriter(store, meta={"source": "pts68", "val": val}) as writer:
        for start in range(0, len(files), _BATCH):
            _import(folder, files[start : start + _BATCH], val, writer, report)
            yield report
    yield report


def _import(folder: Path, files: list[Path], val: float, writer: HeadStoreWriter, report: ImportReport) -> None:
    wanted: list[tuple[str, Path, Float]] = []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in writer:
            report.known += 1
            continue
        try:
            wanted.append((name, file, read_pts(file)))
        except ImageError as error:
            report.skipped[str(file)] = str(error)
    if not wanted:
        return
    fit = fit_faces(np.stack([points for _, _, points in wanted]))
    outlines = fit.project(default_face_model().head)
    heads = []
    for number, (name, file, _) in enumerate(wanted):
        residual = float(fit.residual[number])
        if residual > WORST_RESIDUAL:
            report.skipped[str(file)] = f"{file}: the landmarks fit no face (residual {residual:.2f})"
            continue
        try:
            image = load_image(_picture_of(file))
        except ImageError as error:
            report.skipped[str(file)] = str(error)
            continue
        (x1, y1), (x2, y2) = outlines[number].min(axis=0), outlines[number].max(axis=0)
        crop, box = context_crop(image, (float(x1), float(y1), float(x2), float(y2)))
        encoded = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        subject = subject_of(file)
        extras = {"fit_residual": round(residual, 4)}
        record = HeadRecord(name, "pts68", split_of(subject, val), subject, box, fit.rotation[number], extras)
        heads.append((record, encoded))
    report.added += writer.add_many(heads)


def _picture_of(pts: Path) -> Path:
    for suffix in SUFFIXES:
        for candidate in (pts.with_suffix(suffix), pts.with_suffix(suffix.upper())):
            if candidate.is_file():
                return candidate
    raise ImageError(f"{pts}: no picture of the same name beside it; put it there or remove the .pts")
