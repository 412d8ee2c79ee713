"""Does the error bar open where there is nothing to read? Expected errors of wild heads, of the same heads spoilt, and of no heads.

    python benchmarks/unreadable.py --heads data/stores/wild_heads [--weights default] [--count 500]
    python benchmarks/unreadable.py --heads data/stores/scut_head --split test --least 24      # heads of crowds

Spoilt: blurred until only the outline is left, shrunk to 8 pixels, or covered. No heads: textures and noise, and pieces of
the photos that scikit-image ships, beside the people in them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from semiuhpe import HeadPoseEstimator
from semiuhpe.arrays import evenly_spread
from semiuhpe.geometry.crop import PAD_COLOUR, Image, crop_head
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.poses.head_poses import UNREADABLE_DEG

SIDE = 160


def blurred(crop: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), 0.09 * SIDE), np.uint8)


def tiny(crop: Image) -> Image:
    return np.asarray(cv2.resize(cv2.resize(crop, (8, 8), interpolation=cv2.INTER_AREA), (SIDE, SIDE)), np.uint8)


def covered(crop: Image) -> Image:
    out = crop.copy()
    out[SIDE // 8 : -SIDE // 8, SIDE // 8 : -SIDE // 8] = PAD_COLOUR
    return out


def no_heads(count: int) -> Iterable[Image]:
    """Square pieces of photos without people, at random places and scales."""
    photos = [
        data.coffee(),
        data.chelsea(),
        data.rocket(),
        data.retina(),
        data.immunohistochemistry(),
        data.hubble_deep_field(),
    ]
    rng = np.random.default_rng(0)
    for number in range(count):
        photo = photos[number % len(photos)]
        side = int(rng.integers(40, min(photo.shape[:2])))
        top, left = (int(rng.integers(0, extent - side + 1)) for extent in photo.shape[:2])
        piece = np.ascontiguousarray(photo[top : top + side, left : left + side])
        yield np.asarray(cv2.resize(piece, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def fits(record: HeadRecord, split: str, least: float) -> bool:
    """Whether a head is of a split ("" for any) and at least so large."""
    x1, y1, x2, y2 = record.box
    return (not split or record.split == split) and min(x2 - x1, y2 - y1) >= least


def main() -> None:
    """Print a table of quantiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--split", default="", help="of the heads, by default all")
    parser.add_argument("--least", type=float, default=0.0, help="pixels of the shorter side of a head's box")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    estimator = HeadPoseEstimator(args.weights, threads=args.threads)
    store = HeadStore(args.heads)
    all_of_them = [i for i in range(len(store)) if fits(store.record(i), args.split, args.least)]
    chosen = [all_of_them[i] for i in evenly_spread(len(all_of_them), args.count)]
    crops = [crop_head(store.image(i), store.record(i).box, SIDE) for i in chosen]
    azimuth = np.abs(estimator.estimate_crops(crops).azimuth_deg)
    noise = np.random.default_rng(1).integers(0, 256, (args.count, SIDE, SIDE, 3), dtype=np.uint8)
    spoilt: dict[str, Callable[[Image], Image]] = {"blurred": blurred, "at 8 pixels": tiny, "covered": covered}
    sets: dict[str, Iterable[Image]] = {
        "wild heads": crops,
        "facing the camera (< 60°)": [c for c, a in zip(crops, azimuth, strict=True) if a < 60],
        "from behind (> 120°)": [c for c, a in zip(crops, azimuth, strict=True) if a > 120],
        **{f"wild heads, {name}": [spoil(c) for c in crops] for name, spoil in spoilt.items()},
        "pieces of photos without people": no_heads(args.count),
        "noise": list(noise),
    }
    print("| what | heads | expected error, degrees: 10 % / median / 90 % | 90 % radius, median | grey |")
    print("|---|---|---|---|---|")
    for name, pictures in sets.items():
        heads = estimator.estimate_crops(pictures)
        low, middle, high = np.quantile(heads.expected_error_deg, [0.1, 0.5, 0.9])
        radius, grey = np.median(heads.error_90_deg), np.mean(heads.expected_error_deg > UNREADABLE_DEG)
        print(f"| {name} | {len(heads)} | {low:.1f} / {middle:.1f} / {high:.1f} | {radius:.1f} | {grey:.0%} |")


if __name__ == "__main__":
    main()
