"""Any folder of photos as a pool of heads without poses: our own detector finds them. Or of ready crops, a head each.

Photos in which it finds nothing are looked at again when an import is continued; all others are not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from semiuhpe.detection.detector import SCORE_THRESHOLD, HeadDetector
from semiuhpe.files.names import readable_name
from semiuhpe.images.load import list_images
from semiuhpe.sources.apart import box_of_crop
from semiuhpe.sources.importing import (
    ApartFrom,
    BoxedHead,
    Candidate,
    FilteredOut,
    ImportReport,
    Made,
    Workers,
    import_heads,
)
from semiuhpe.sources.pictures import Picture
from semiuhpe.sources.source import Source

MIN_SIDE = 30.0


def import_photos(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    crops: Annotated[
        bool, "each picture is a square crop of one head, as a network sees it; nothing is detected"
    ] = False,
    min_side: Annotated[float, "shorter side of a detected head at least, pixels"] = MIN_SIDE,
    score_threshold: Annotated[float, "probability from which a detection counts"] = SCORE_THRESHOLD,
    detector: Annotated[str, 'weights of the head detector: "default" or an .onnx file'] = "default",
    source: Annotated[str, "name of the data set, default the folder's"] = "",
    workers: Workers = None,
    apart_from: ApartFrom = (),
) -> ImportReport:
    """Your own photos (heads are detected) or head crops, unlabelled.

    folder: a folder with its sub-folders, one picture, a glob pattern or a .txt list. extras: detection_score. With
    `crops`, the head's box is the centred square that 1.3 × enlarges to the picture's mean side. Raises ImageError for a folder without
    pictures, WeightsError and InputError for a detector that cannot be used so.
    """
    root = Path(folder)
    name = source or readable_name(root.resolve().stem)
    paths = list_images([root], recursive=True)
    meta = {
        "importer": "photos",
        "source": name,
        "crops": crops,
        "min_side": min_side,
        "score_threshold": score_threshold,
        "detector": "",
    }
    if crops:
        heads = [BoxedHead(_identity(path, root), path, box_of_crop, name) for path in paths]
        return import_heads(store, heads, meta, workers=workers, apart_from=apart_from)
    # One thread a run: the photos are the parallel work.
    found = HeadDetector(detector, score_threshold=score_threshold, threads=1)
    meta["detector"] = found.weights.sha256
    candidates = [_Photo(path, _identity(path, root), found, min_side, name).candidate() for path in paths]
    return import_heads(store, candidates, meta, workers=workers, apart_from=apart_from)


def _identity(path: Path, root: Path) -> str:
    inside = root.is_dir() and path.is_relative_to(root)
    return readable_name((path.relative_to(root) if inside else path).as_posix())


@dataclass(frozen=True)
class _Photo:
    path: Path
    identity: str
    detector: HeadDetector
    min_side: float
    source: str

    def candidate(self) -> Candidate:
        return Candidate(self.identity, self)

    def __call__(self) -> list[Made]:
        picture = Picture(self.path)
        boxes, scores = self.detector(picture.image)
        kept = [
            (tuple(float(v) for v in box), float(score))
            for box, score in zip(boxes, scores, strict=True)
            if min(box[2] - box[0], box[3] - box[1]) >= self.min_side
        ]
        if not kept:
            raise FilteredOut(
                "photo without heads" if not len(boxes) else "photo with small heads only", str(self.path)
            )
        heads = []
        for number, ((x1, y1, x2, y2), score) in enumerate(kept):
            identity = f"{self.identity}#{number}" if number else self.identity
            extras = {"detection_score": round(score, 4)}
            heads.append(
                BoxedHead(identity, self.path, (x1, y1, x2, y2), self.source, subject=self.identity, extras=extras)
            )
        return [head.make(picture) for head in heads]


DATA_SET = Source(
    "photos",
    import_photos,
    licence="as its pictures",
)
