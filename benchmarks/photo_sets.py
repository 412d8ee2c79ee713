"""Small test sets as folders of photos, ready for `semiuhpe.evaluation`: heads that need no store.

    python benchmarks/photo_sets.py DIR [--weights default] [--mirrored]

DIR holds AFLW2000_subset/, Pointing04/ and WildDirections/ (each optional). Nothing in them is used for training or for
choosing weights.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semiuhpe.errors import SemiUHPEError
from semiuhpe.evaluation.pose_models import open_model
from semiuhpe.evaluation.protocols import protocol
from semiuhpe.evaluation.run import evaluate
from semiuhpe.evaluation.tables import json_text
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.euler import from_euler_deg
from semiuhpe.heads.record import HeadRecord
from semiuhpe.inference.media import load_image

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PhotoHeads:
    """One head a photo; boxes are in its pixels. Stands in for a `HeadStore` where heads are only measured."""

    path: Path
    records: list[HeadRecord]
    files: list[Path]

    def __len__(self) -> int:
        return len(self.records)

    def record(self, index: int) -> HeadRecord:
        """Record number `index`."""
        return self.records[index]

    def image(self, index: int) -> Image:
        """The whole photo, (H, W, 3) uint8 RGB."""
        return load_image(self.files[index])


def aflw2000_subset(folder: Path) -> PhotoHeads:
    """The subset of AFLW2000-3D: the official angles, in the sense of 300W-LP."""
    box = (75 - 64.5, 69 - 64.5, 75 + 64.5, 69 + 64.5)
    records, files = [], []
    for row in csv.DictReader((folder / "labels.csv").open()):
        angles = {name: float(row[name]) for name in ("pitch_deg", "yaw_deg", "roll_deg")}
        rotation = from_euler_deg(np.array(list(angles.values())), "300w-lp")
        records.append(HeadRecord(row["file"], "AFLW2000_subset", "test", "", box, rotation, angles))
        files.append(folder / "images" / row["file"])
    return PhotoHeads(folder, records, files)


def pointing04(folder: Path) -> PhotoHeads:
    """Pointing'04: azimuth and elevation of where each person looks; the head box is made from the face box."""
    records, files = [], []
    for file in sorted(folder.rglob("*.jpg")):
        match = re.search(r"([+-]\d+)([+-]\d+)$", file.stem)
        numbers = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?", file.with_suffix(".txt").read_text())][-4:]
        if match is None or len(numbers) != 4:
            continue
        x, y, width, height = numbers
        side = 1.7 * max(width, height)
        y -= 0.2 * height
        box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        direction = {"elevation_deg": float(match[1]), "azimuth_deg": float(match[2])}
        name = file.relative_to(folder).as_posix()
        records.append(HeadRecord(name, "Pointing04", "test", file.stem[:8], box, None, direction))
        files.append(file)
    return PhotoHeads(folder, records, files)


def wild_directions(folder: Path) -> PhotoHeads:
    """WildDirections: the azimuth as judged by eye."""
    records, files = [], []
    for row in csv.DictReader((folder / "labels.csv").open()):
        x1, y1, x2, y2 = (float(row[name]) for name in ("x1", "y1", "x2", "y2"))
        azimuth = {"azimuth_deg": float(row["azimuth_deg"])}
        records.append(HeadRecord(row["file"], "WildDirections", "test", "", (x1, y1, x2, y2), None, azimuth))
        files.append(folder / "images" / row["file"])
    return PhotoHeads(folder, records, files)


SETS = {
    "AFLW2000_subset": (aflw2000_subset, "aflw2000"),
    "Pointing04": (pointing04, "pointing04"),
    "WildDirections": (wild_directions, "wild-directions"),
}
"""Folder → what reads it, and the protocol that measures it."""


def main() -> int:
    """Measure weights on every set that is there and print one JSON; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--weights", default="default", help="default, open, an .onnx or a run folder")
    parser.add_argument("--mirrored", action="store_true", help="average each belief with that of the mirror image")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    try:
        model = open_model(args.weights, mirrored=args.mirrored, threads=args.threads)
        results = {
            name: evaluate(protocol(measured_by), model, read(args.data / name)).results
            for name, (read, measured_by) in SETS.items()
            if (args.data / name).is_dir()
        }
    except SemiUHPEError as error:
        print(f"photo_sets.py: error: {error}", file=sys.stderr)
        return 1
    if not results:
        print(f"photo_sets.py: error: {args.data}: has none of {', '.join(SETS)}", file=sys.stderr)
        return 1
    print(json_text({"model": model.description, "results": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
