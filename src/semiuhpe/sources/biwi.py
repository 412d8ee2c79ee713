"""BIWI Kinect Head Pose: people turning their heads before a Kinect, in its own release (Fanelli et al. 2013).

`hpdb/NN/frame_XXXXX_rgb.png` with `frame_XXXXX_pose.txt` (3×3 camera←head, then the head's centre in mm, both in the frame
of the depth camera), and a `rgb.cal` for each sequence: 3×3 intrinsics, distortion, then rotation and translation (mm)
RGB camera ← depth camera, then the picture's size. A box of a head's physical size is projected into the RGB picture.
For the small crops of FSA-Net (`BIWI_*.npz`) see `biwi_npz`, which `import_biwi` calls where it finds them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from semiuhpe.errors import SourceError
from semiuhpe.geometry.euler import euler_deg, from_matrix
from semiuhpe.geometry.rotation import project_to_rotation
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.splits import split_by_subject
from semiuhpe.sources.biwi_npz import find_npz, import_biwi_npz
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
from semiuhpe.sources.landmarks.face_model import Float, default_face_model
from semiuhpe.sources.source import Source

FACE_UNIT_MM = 50.0
"""One unit of the face model: with it the outer corners of the eyes are 86 mm apart, and the head is 164 mm wide."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The RGB camera of a sequence: intrinsics (3, 3) pixels; rotation (3, 3) and shift_mm (3,), RGB ← depth camera."""

    intrinsics: Float
    rotation: Float
    shift_mm: Float


def read_calibration(path: Path) -> Calibration:
    """Read an `rgb.cal`. Raises SourceError for a file that is missing or is not 27 numbers."""
    try:
        numbers = np.array(path.read_text(encoding="utf-8").split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: not a calibration file ({error}); unpack the data set again") from error
    if numbers.size != 27 or not np.all(np.isfinite(numbers)):
        raise SourceError(f"{path}: 27 finite numbers expected, got {numbers.size}; unpack the data set again")
    return Calibration(numbers[:9].reshape(3, 3), numbers[13:22].reshape(3, 3), numbers[22:25])


def head_box(calibration: Calibration, rotation: Float, centre_mm: Float) -> Float:
    """Box of a head of average size in the RGB picture.

    rotation (3, 3) and centre_mm (3,), depth camera ← head → (4,) x1, y1, x2, y2 pixels. Raises Rejected for a
    head that is not in front of the camera.
    """
    shape = default_face_model().head
    middle = (shape.min(axis=0) + shape.max(axis=0)) / 2
    points = FACE_UNIT_MM * (shape - middle) @ rotation.T + centre_mm
    seen = points @ calibration.rotation.T + calibration.shift_mm
    if seen[:, 2].min() <= 0:
        raise Rejected("annotation", f"the head's centre {centre_mm.round(1).tolist()} mm is not before the camera")
    pixels = seen @ calibration.intrinsics.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def read_pose(path: Path) -> tuple[Float, Float]:
    """Rotation (3, 3) and centre (3,) mm of a `frame_XXXXX_pose.txt`. Raises Rejected."""
    try:
        numbers = np.array(path.read_text(encoding="utf-8").split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise Rejected("annotation", f"{path}: cannot be read as a pose ({error})") from error
    if numbers.size != 12 or not np.all(np.isfinite(numbers)):
        raise Rejected("annotation", f"{path}: a rotation and a position are 12 finite numbers, got {numbers.size}")
    rotation = numbers[:9].reshape(3, 3)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) or np.linalg.det(rotation) < 0:
        raise Rejected("annotation", f"{path}: its 3×3 matrix is no rotation")
    return np.asarray(project_to_rotation(rotation)), numbers[9:]


def import_biwi(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    train: Annotated[float, "share of the sequences that are not tested on"] = 0.0,
    val: Annotated[float, "share of the people kept for choosing weights"] = 0.05,
    camera: Annotated[str, "whose frame labels are in: depth or rgb"] = "depth",
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Import the Kinect release (the folder `hpdb` or one that holds it), or FSA-Net's .npz (a file, or a folder of them).

    train: expected share of sequences outside the split "test"; 0, the default, is the usual test on all of BIWI. val:
    share of those that are in the validation split. camera: in whose frame the label is: "depth", as the files say and as everyone
    reports errors, or "rgb", turned into that of the picture (about 1° apart).
    extras: pitch_deg, yaw_deg, roll_deg of the label (convention `biwi`), sequence. Of .npz only `val` is used.
    Raises SourceError if there is no sequence, or one without `rgb.cal`.
    """
    root = Path(path)
    check_choice("camera", camera, ("depth", "rgb"))
    check_share("train", train)
    check_share("val", val)
    if find_npz(root):
        return import_biwi_npz(root, store, val=val, workers=workers, apart_from=apart_from)
    home = root / "hpdb" if (root / "hpdb").is_dir() else root
    sequences = sorted(folder for folder in home.glob("*") if folder.is_dir() and any(folder.glob("frame_*_pose.txt")))
    if not sequences:
        raise SourceError(f"{root}: no BIWI here; expected hpdb/01/frame_00003_rgb.png, or FSA-Net's BIWI_*.npz")
    meta = {"importer": "biwi", "train": train, "val": val, "camera": camera}
    return import_heads(store, _candidates(sequences, train, val, camera), meta, workers=workers, apart_from=apart_from)


def _candidates(sequences: list[Path], train: float, val: float, camera: str) -> Iterator[Candidate]:
    for folder in sequences:
        calibration = read_calibration(folder / "rgb.cal")
        split = split_by_subject(f"BIWI/{folder.name}", val=val * train, test=1 - train)
        for pose in sorted(folder.glob("frame_*_pose.txt")):
            identity = f"{folder.name}/{pose.name.removesuffix('_pose.txt')}"
            yield Candidate(identity, _Head(pose, identity, split, calibration, camera))


class _Head:
    """Makes one head when called."""

    def __init__(self, pose: Path, identity: str, split: str, calibration: Calibration, camera: str) -> None:
        self.pose, self.identity, self.split = pose, identity, split
        self.calibration, self.camera = calibration, camera

    def __call__(self) -> Made:
        matrix, centre = read_pose(self.pose)
        picture = self.pose.with_name(self.pose.name.replace("_pose.txt", "_rgb.png"))
        try:
            head = head_box(self.calibration, matrix, centre)
        except Rejected as error:
            raise Rejected(error.kind, f"{self.pose}: {error}") from error
        encoded, box = read_context(picture, head)
        rotation = from_matrix(matrix, "biwi")
        if self.camera == "rgb":
            rotation = np.asarray(project_to_rotation(self.calibration.rotation @ rotation))
        pitch, yaw, roll = (round(float(value), 6) for value in euler_deg(rotation, "biwi"))
        sequence = self.pose.parent.name
        record = HeadRecord(
            id=self.identity,
            source="BIWI",
            split=self.split,
            subject=f"BIWI/{sequence}",
            box=box,
            rotation=rotation,
            extras={"pitch_deg": pitch, "yaw_deg": yaw, "roll_deg": roll, "sequence": sequence},
        )
        return record, encoded


DATA_SET = Source(
    "biwi",
    import_biwi,
    licence="see its page",
    citation="Fanelli et al., Random Forests for Real Time 3D Face Analysis, IJCV 2013",
)
