"""BIWI as FSA-Net distributes it: `BIWI_noTrack.npz` (all frames, to test on), `BIWI_train.npz` and `BIWI_test.npz` (70/30).

Arrays: `image` (n, 64, 64, 3) uint8 BGR, `pose` (n, 3) degrees in the order **yaw, pitch, roll** (convention `biwi`). A crop is
what a network sees, so the head box is the square of which our crop is the whole picture.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import SourceError
from semiuhpe.geometry.crop import MARGIN, Image
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.geometry.rotation import Float
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.importing import ApartFrom, Candidate, ImportReport, Made, Rejected, Workers, import_heads

_BLOCK = 100  # neighbouring frames show the same person in nearly the same pose; they share a split


def find_npz(path: Path) -> list[Path]:
    """The .npz itself, or those of a folder, sorted."""
    if path.is_file():
        return [path] if path.suffix == ".npz" else []
    return sorted(path.glob("*.npz"))


def import_biwi_npz(
    path: Path,
    store: str | os.PathLike[str],
    *,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import one .npz or a folder of them. A file with "train" in its name is the training split, less `val` of its
    blocks of frames; every other one is the split "test". A folder with all three holds each frame twice: name one file.

    Raises SourceError for a file that is not such an archive.
    """
    files = find_npz(path)
    if any("notrack" in file.name.lower() for file in files) and len(files) > 1:
        raise SourceError(f"{path}: BIWI_noTrack.npz holds the frames of the others again; name one file")
    meta = {"importer": "biwi-npz", "val": val, "files": [file.name for file in files]}
    return import_heads(store, _candidates(files, val), meta, workers=workers, apart_from=apart_from)


def read_npz(path: Path) -> tuple[Image, Float]:
    """image (n, H, W, 3) uint8 as stored (BGR) and pose (n, 3) degrees yaw, pitch, roll. Raises SourceError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, poses = np.asarray(archive["image"]), np.asarray(archive["pose"], dtype=np.float64)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: not an .npz with the arrays image and pose ({error})") from error
    if images.ndim != 4 or images.shape[-1] != 3 or poses.shape != (len(images), 3):
        raise SourceError(f"{path}: image must be (n, H, W, 3) and pose (n, 3), got {images.shape} and {poses.shape}")
    return images.astype(np.uint8, copy=False), poses


def _candidates(files: list[Path], val: float) -> Iterator[Candidate]:
    for file in files:
        images, poses = read_npz(file)
        for number, (image, pose) in enumerate(zip(images, poses, strict=True)):
            block = f"BIWI/{file.stem}/{number // _BLOCK}"
            split = split_by_subject(block, val=val) if "train" in file.name.lower() else "test"
            identity = f"{file.stem}/{number:05d}"
            yield Candidate(identity, _Head(identity, image, pose, split, block))


class _Head:
    """Makes one head when called."""

    def __init__(self, identity: str, image: Image, pose: NDArray[np.float64], split: str, block: str) -> None:
        self.identity, self.image, self.pose, self.split, self.block = identity, image, pose, split, block

    def __call__(self) -> Made:
        yaw, pitch, roll = (float(value) for value in self.pose)
        if not np.all(np.isfinite(self.pose)):
            raise Rejected("annotation", f"{self.identity}: the pose is not finite")
        done, data = cv2.imencode(".png", np.ascontiguousarray(self.image))
        if not done:
            raise Rejected("picture", f"{self.identity}: the picture cannot be encoded")
        height, width = self.image.shape[:2]
        half = (height + width) / 4 / MARGIN
        box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
        record = HeadRecord(
            id=self.identity,
            source="BIWI",
            split=self.split,
            subject=self.block,
            box=box,
            rotation=from_euler_deg([pitch, yaw, roll], "biwi"),
            extras={"pitch_deg": pitch, "yaw_deg": yaw, "roll_deg": roll},
        )
        return record, data.tobytes()
