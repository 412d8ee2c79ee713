"""AP50 of the embedded head detector on SCUT-HEAD photos it was never trained on, and its speed.

    python benchmarks/detector.py data/SCUT_HEAD --excluded data/WildDirections/labels.csv

Runs the public `HeadDetector` on the exported ONNX with its default settings (only the score threshold is lowered, as
the precision-recall curve needs). The split is the one of training: by what the photos show. `--split-by number` is the split of the shipped
weights and of earlier releases, which parts copies of a photo; `--unseen` leaves out photos of which training has a copy or the room.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from semiuhpe.detection.average_precision import Detections, precision_recall
from semiuhpe.detection.detector import SCORE_THRESHOLD, HeadDetector
from semiuhpe.sources.apart import photo_appearances
from semiuhpe.sources.photo_splits import shown_in
from semiuhpe.sources.scut_head import AnnotatedPhoto, read_scut_head
from semiuhpe.training.detector.data import excluded_photos

BANDS = {
    "all >= 10 px": (10.0, float("inf")),
    "10-16": (10.0, 16.0),
    "16-32": (16.0, 32.0),
    "32+": (32.0, float("inf")),
}


def measure(detector: HeadDetector, photos: Sequence[AnnotatedPhoto]) -> dict[str, Any]:
    """AP50 by size band (square root of a box's area in pixels of the 480 px photos), precision and recall as shipped."""
    found = []
    for photo in photos:
        boxes, scores = detector(photo.image())
        found.append(Detections(boxes.astype(np.float64), scores.astype(np.float64)))
    heads = [photo.boxes for photo in photos]
    curves = {name: precision_recall(found, heads, 0.5, band) for name, band in BANDS.items()}
    precision, recall = curves["all >= 10 px"].at_score(SCORE_THRESHOLD)
    return {
        "photos": len(photos),
        "heads": {name: curve.heads for name, curve in curves.items()},
        "AP50": {name: round(curve.average_precision, 4) for name, curve in curves.items()},
        f"precision at {SCORE_THRESHOLD}": round(precision, 4),
        f"recall at {SCORE_THRESHOLD}": round(recall, 4),
    }


def speed(detector: HeadDetector, side: int = 640, repeats: int = 10) -> float:
    """Median milliseconds for a photo of side × side·3/4 pixels."""
    image = np.random.default_rng(0).integers(0, 256, (side * 3 // 4, side, 3), dtype=np.uint8)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        detector(image)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="SCUT-HEAD folder")
    parser.add_argument("--excluded", default="", help="CSV whose `photo` column belongs to the test split as well")
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--split-by", choices=("content", "number"), default="content")
    parser.add_argument("--unseen", action="store_true", help="without photos that show what a training photo shows")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--max-side", type=int, default=960)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    photos = read_scut_head(args.photos, excluded_photos(args.excluded), args.split_by)
    detector = HeadDetector(args.weights, score_threshold=0.02, max_side=args.max_side, threads=args.threads)
    measured = photos.val if args.split == "val" else photos.test
    if args.unseen:
        known = shown_in(*(photo_appearances(photo.path for photo in part) for part in (measured, photos.train)))
        measured = [photo for photo, seen in zip(measured, known, strict=True) if not seen]
    result = {"photos": len(measured), **measure(detector, measured)}
    shipped = HeadDetector(args.weights, max_side=args.max_side, threads=args.threads)
    result["ms per 640 px photo"] = round(speed(shipped), 1)
    shipped = HeadDetector(args.weights, max_side=640, threads=args.threads)
    result["ms per 640 px photo, max_side 640"] = round(speed(shipped), 1)
    print(
        json.dumps(
            {"split": args.split, "split_by": args.split_by, "sha256": detector.weights.sha256, **result}, indent=2
        )
    )


if __name__ == "__main__":
    main()
