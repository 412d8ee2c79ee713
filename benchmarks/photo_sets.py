"""Small test sets as folders of photos, ready for `semiuhpe.evaluation`: heads that need no store.

DIR holds AFLW2000_subset/, Pointing04/ and WildDirections/. Nothing in them is used for training or for choosing weights.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
