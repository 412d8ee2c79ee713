"""What the detector's interval costs and spoils on a video: from this `pace.DETECTIONS_HZ` was chosen.

    python benchmarks/detector_interval.py [--frames 150] [--every 1 2 3 5 8 12 25]

The video has moving heads and is made by benchmarks/clips.py. For each k the same frames are estimated with the detector
on each k-th of them. Against k = 1: the share of its heads that are there too (overlap of 0.5 at least), how much their
boxes overlap, how far their rotations differ, and identities; and the processor time of a frame, which means something on
a busy machine too. How late a head that comes into the picture is found at most needs no measurement: k frames.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from clips import write_clip

from semiuhpe import HeadPoseEstimator
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.rotation import geodesic_distance
from semiuhpe.poses.head_poses import HeadPoses

WIDTH, HEIGHT, HEADS, FPS = 1280, 720, 4, 25


def compared(every_frame: list[HeadPoses], heads: list[HeadPoses]) -> tuple[float, float, float]:
    """Share of the first one's heads that the second has, their median overlap, and median angle between them, degrees."""
    overlaps, angles = [], []
    for wanted, found in zip(every_frame, heads, strict=True):
        if not len(wanted) or not len(found):
            overlaps += [0.0] * len(wanted)
            continue
        overlap = box_math.iou(wanted.box, found.box)
        nearest = overlap.argmax(axis=1)
        overlaps += overlap.max(axis=1).tolist()
        angle = np.degrees(geodesic_distance(wanted.rotation, found.rotation[nearest]))
        angles += angle[overlap.max(axis=1) >= 0.5].tolist()
    there = np.array(overlaps) >= 0.5
    return float(there.mean()), float(np.median(np.array(overlaps)[there])), float(np.median(angles))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3, 5, 8, 12, 25])
    args = parser.parse_args()
    estimator = HeadPoseEstimator(threads=1)
    with tempfile.TemporaryDirectory() as temporary:
        clip = write_clip(Path(temporary, "clip.mp4"), WIDTH, HEIGHT, HEADS, args.frames, FPS)
        print(f"{args.frames} frames of {WIDTH} × {HEIGHT} at {FPS} a second, {HEADS} heads\n")
        print(
            "| k | detections a second | heads of k = 1 found | overlap | rotation differs | identities | CPU ms a frame |"
        )
        print("|---|---|---|---|---|---|---|")
        reference: list[HeadPoses] = []
        for every in [1, *(k for k in args.every if k != 1)]:
            began = time.process_time()
            heads = [frame.heads for frame in estimator.stream(clip, every=every)]
            took = (time.process_time() - began) / len(heads)
            reference = reference or heads
            share, overlap, angle = compared(reference, heads)
            identities = len({int(key) for found in heads for key in found.track_id})
            print(
                f"| {every} | {FPS / every:.1f} | {100 * share:.1f} % | {overlap:.2f} | {angle:.1f}° | {identities} "
                f"| {1e3 * took:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
