"""Every figure of a head detector by one command, on photos that it was never trained on.

    python benchmarks/detector.py --scut-head data/SCUT_HEAD --excluded data/WildDirections/labels.csv \\
        --helmet-workers data/HelmetWorkers --headless data/headless_test --directions data/WildDirections [--json FILE]
    python benchmarks/detector.py ... --weights new.onnx
    python benchmarks/detector.py ... --with-pose        # as the estimator and the command use it
    python benchmarks/detector.py ... --peer yunet.onnx --layout yunet

AP50, precision and recall by size, false heads, photos turned by 90° and 180° (of every third photo), parts of the test photos that no head
touches, photos without people, heads of known direction, and milliseconds a photo on one thread and on two. Precision,
recall and false heads are those at the detector's threshold. The split by number-groups is that of the embedded weights
and shares no photo and no room between its parts; `--split content` is for weights trained on that one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from semiuhpe.detection.detector import SCORE_THRESHOLD, HeadDetector
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.detection.layouts import LAYOUTS
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation import detection
from semiuhpe.evaluation.tables import document_text, text_table
from semiuhpe.files.atomic import write_atomically
from semiuhpe.geometry.crop import Image
from semiuhpe.images.load import load_image
from semiuhpe.sources.helmet_workers import read_helmet_workers
from semiuhpe.sources.scut_head import AnnotatedPhoto, read_scut_head
from semiuhpe.sources.split_by import SplitBy
from semiuhpe.sources.tables import numbers, pictures_of, read_table
from semiuhpe.training.detector.data import CORNERS, excluded_photos, headless_pictures

LOWEST = 0.02
"""Of the scores that average precision looks at."""


class Confirmed:
    """What detector and pose network together take for heads."""

    def __init__(self, estimator: HeadPoseEstimator, detector: HeadDetector) -> None:
        self.detect, self.weights = estimator.detect, detector.weights
        found = estimator.head_probability
        self.score_threshold = SCORE_THRESHOLD if found is None else found.threshold

    def __call__(self, image: Image) -> tuple[np.ndarray, np.ndarray]:
        return self.detect(image)


def opened(args: argparse.Namespace, threshold: float | None, threads: int | None = None) -> Any:
    """The detector that the options name."""
    if args.with_pose:
        detector = HeadDetector(args.weights, max_side=args.max_side, threads=threads)
        pose = HeadPoseEstimator(args.pose_weights, detector=detector, score_threshold=threshold, threads=threads)
        return Confirmed(pose, detector)
    if args.peer:
        chosen = SCORE_THRESHOLD if threshold is None else threshold
        return ForeignDetector(args.peer, args.layout, score_threshold=chosen, threads=threads)
    return HeadDetector(args.weights, score_threshold=threshold, max_side=args.max_side, threads=threads)


def of_photos(detector: Any, photos: Sequence[AnnotatedPhoto], threshold: float) -> dict[str, Any]:
    """Figures of boxed photos, of those turned, and of their parts without heads."""
    found = detection.detect(detector, (photo.image() for photo in photos))
    regions = [
        part
        for number, photo in enumerate(photos)
        for part in detection.empty_regions(photo.image(), photo.boxes, most=1, seed=number)
    ]
    return {
        **detection.found_figures(found, [photo.boxes for photo in photos], threshold),
        "turned": detection.turned_figures(detector, photos[::3], threshold),
        "parts without heads": detection.headless_figures(detection.detect(detector, regions), threshold),
    }


def of_directions(detector: Any, folder: Path, threshold: float) -> dict[str, Any]:
    """Recall on crops of heads of known direction (WildDirections, or another table of file, box and azimuth_deg)."""
    rows = read_table(folder / "labels.csv", ("file", *CORNERS, "azimuth_deg"))
    found = detection.detect(detector, (load_image(pictures_of(folder) / row["file"]) for row in rows))
    boxes = np.array([numbers(row, CORNERS) for row in rows])
    azimuths = np.array([float(row["azimuth_deg"]) for row in rows])
    return detection.recall_by_direction(found, boxes, azimuths, threshold)


def milliseconds(detector: Any, repeats: int = 15, side: int = 640) -> float:
    """Least time of a photo of side × side·3/4 pixels: what others run meanwhile only makes it longer."""
    image = np.random.default_rng(0).integers(0, 256, (side * 3 // 4, side, 3), dtype=np.uint8)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        detector(image)
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scut-head", type=Path, help="SCUT-HEAD folder")
    parser.add_argument("--excluded", default="", help="CSV whose `photo` column belongs to the test split as well")
    parser.add_argument("--split", choices=get_args(SplitBy), default="number-groups", help="of SCUT-HEAD")
    parser.add_argument("--helmet-workers", type=Path, help="HelmetWorkers folder")
    parser.add_argument("--part", choices=("val", "test"), default="test")
    parser.add_argument("--headless", nargs="*", default=[], help="folders of photos without people")
    parser.add_argument("--directions", type=Path, help="crops of heads whose azimuth is known")
    parser.add_argument("--weights", default="default", help="of a detector of this package")
    parser.add_argument("--peer", help="ONNX file of another detector")
    parser.add_argument("--layout", choices=sorted(LAYOUTS), default="yunet", help="of the peer's outputs")
    parser.add_argument("--with-pose", action="store_true", help="heads that the pose network confirms")
    parser.add_argument("--pose-weights", default="default", help="which: default, open or a file")
    parser.add_argument("--threshold", type=float, help="another than the detector's own")
    parser.add_argument("--max-side", type=int, default=960)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    low, shipped = opened(args, LOWEST), opened(args, args.threshold)
    threshold = shipped.score_threshold if args.threshold is None else args.threshold
    figures: dict[str, Any] = {
        "detector": {"sha256": low.weights.sha256, "threshold": threshold, "with pose": args.with_pose}
    }
    if args.scut_head:
        crowds = read_scut_head(args.scut_head, excluded_photos(args.excluded), args.split)
        figures["SCUT-HEAD"] = of_photos(low, getattr(crowds, args.part), threshold)
    if args.helmet_workers:
        figures["HelmetWorkers"] = of_photos(
            low, getattr(read_helmet_workers(args.helmet_workers), args.part), threshold
        )
    if args.headless:
        found = detection.detect(shipped, headless_pictures(args.headless))
        figures["photos without people"] = detection.headless_figures(found, threshold)
    if args.directions:
        figures["heads of known direction"] = of_directions(shipped, args.directions, threshold)
    figures["ms per 640 px photo"] = {
        f"{threads} threads": milliseconds(opened(args, args.threshold, threads)) for threads in (1, 2)
    }
    print(text_table(figures))
    if args.json:
        write_atomically(args.json, document_text(figures).encode())


if __name__ == "__main__":
    main()
