"""What all importers share: the context crop, and the loop that writes a store and survives broken files.

An importer yields `Candidate`s: an id and a function that makes the head. What is already in the store is not made
again, so an import continues after a kill and repeats for nothing. A function that raises a SemiUHPEError rejects its
own head only; rejects are counted and listed in `import.json` beside the store.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from semiuhpe.errors import ImageError, SourceError
from semiuhpe.files import write_atomically
from semiuhpe.geometry.crop import Float, Image, crop_square
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.inference.media import load_image

CONTEXT = 2.0
"""Side of the stored picture over the side of the crop."""

LONGEST = 512
"""Longest side of a stored picture, pixels; larger ones are area-averaged down to it."""

QUALITY = 95
_BATCH = 64

Made = tuple[HeadRecord, bytes]


class Rejected(SourceError):
    """One head that is left out. kind: a word to count by; the message names the file and the reason."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Candidate:
    """A head to be: its id in the store, and `make`, which reads and crops it or raises a SemiUHPEError."""

    id: str
    make: Callable[[], Made]


@dataclass
class ImportReport:
    """What an import did. rejected: (id, kind, reason) of every head that was left out."""

    added: int = 0
    present: int = 0
    rejected: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many heads were rejected, by kind."""
        return dict(sorted(Counter(kind for _, kind, _ in self.rejected).items()))

    def to_dict(self) -> dict[str, Any]:
        """For `import.json`."""
        rejected = [{"id": head, "kind": kind, "reason": reason} for head, kind, reason in self.rejected]
        return {"added": self.added, "present": self.present, "counts": self.counts, "rejected": rejected}


def import_heads(
    store: str | os.PathLike[str], candidates: Iterable[Candidate], meta: dict[str, Any] | None = None
) -> ImportReport:
    """Write candidates into a store (a new one, or one begun with the same meta) and `import.json` beside them.

    Raises StoreError if `store` is no store folder or was begun with other settings.
    """
    report = ImportReport()
    with HeadStoreWriter(store, meta) as writer:
        batch: list[Made] = []
        for candidate in candidates:
            if candidate.id in writer:
                report.present += 1
                continue
            try:
                batch.append(candidate.make())
            except Rejected as error:
                report.rejected.append((candidate.id, error.kind, str(error)))
            except ImageError as error:
                report.rejected.append((candidate.id, "picture", str(error)))
            if len(batch) == _BATCH:
                report.added += writer.add_many(batch)
                batch = []
        report.added += writer.add_many(batch)
    listing = json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_atomically(Path(store) / "import.json", listing.encode())
    return report


def context_crop(image: Image, box: ArrayLike) -> tuple[Image, Float]:
    """The part of a picture within `CONTEXT` × the crop square of a head, and the head's box in it.

    image (H, W, 3) uint8, box x1, y1, x2, y2 → (h, w, 3) uint8 of whole source pixels (shrunk if longer than
    `LONGEST`) and (4,) float64. What lies outside the photo is not invented. Raises Rejected if the head does.
    """
    box = np.asarray(box, dtype=np.float64)
    try:
        x, y, side = crop_square(box)
    except ValueError as error:
        raise Rejected("box", str(error)) from error
    height, width = image.shape[:2]
    half = CONTEXT * side / 2
    x1, y1 = max(0, int(np.floor(x - half))), max(0, int(np.floor(y - half)))
    x2, y2 = min(width, int(np.ceil(x + half))), min(height, int(np.ceil(y + half)))
    if x2 - x1 < 2 or y2 - y1 < 2 or min(box[2], width) <= max(box[0], 0) or min(box[3], height) <= max(box[1], 0):
        raise Rejected("box", f"the head box {box.round(1).tolist()} lies outside the {width} × {height} picture")
    crop = image[y1:y2, x1:x2]
    inside = box - [x1, y1, x1, y1]
    factor = LONGEST / max(crop.shape[:2])
    if factor < 1:
        size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
        inside = inside * np.tile([size[0] / crop.shape[1], size[1] / crop.shape[0]], 2)
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return crop, inside


def encode_jpeg(image: Image, quality: int = QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB → the bytes of a JPEG without chroma subsampling."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ImageError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def read_context(path: Path, box: ArrayLike) -> tuple[bytes, tuple[float, float, float, float]]:
    """Encoded context crop of one head of a picture file, and its box there.

    A JPEG that is all context already is kept byte for byte. Raises ImageError or Rejected.
    """
    content = path.read_bytes() if path.is_file() else b""
    if not content:
        raise ImageError(f"{path}: missing or empty; unpack the data set again")
    try:
        image = load_image(content)
        crop, inside = context_crop(image, box)
    except Rejected as error:
        raise Rejected(error.kind, f"{path}: {error}") from error
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    # Kept only if a plain decoder sees the same pixels: an EXIF turn or a CMYK palette would differ.
    plain = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB) if content[:2] == b"\xff\xd8" else None
    keep = plain is not None and crop.shape == image.shape == plain.shape and b"Exif" not in content[:64]
    encoded = content if keep else encode_jpeg(crop)
    return encoded, (float(inside[0]), float(inside[1]), float(inside[2]), float(inside[3]))


def find_pictures(root: Path, suffixes: tuple[str, ...] = (".jpg", ".jpeg", ".png")) -> Iterator[Path]:
    """Picture files below a folder, sorted by relative path. Raises SourceError if the folder does not exist."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder; unpack the data set and name its folder")
    yield from sorted(path for path in root.rglob("*") if path.suffix.lower() in suffixes)
