"""Time of inference on this machine: a head, a photo of 640 pixels, and the command from start to its first result.

    python benchmarks/inference.py [--threads 1] [--weights default]

Medians over repeats; processor time beside wall time tells whether the machine was busy with something else.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from semiuhpe import HeadDetector, HeadPoseEstimator
from semiuhpe.images.load import load_image

PHOTO = Path(__file__).resolve().parents[1] / "docs" / "demo" / "astronaut.jpg"


def median_ms(job: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall and processor milliseconds of a job, after one run that is not counted."""
    job()
    wall, cpu = [], []
    for _ in range(repeats):
        begin, used = time.perf_counter(), time.process_time()
        job()
        wall.append(1e3 * (time.perf_counter() - begin))
        cpu.append(1e3 * (time.process_time() - used))
    return statistics.median(wall), statistics.median(cpu)


def children_s() -> float:
    """Processor seconds of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    crops = list(np.random.default_rng(0).integers(0, 256, (64, 160, 160, 3), dtype=np.uint8))
    photo = load_image(PHOTO)
    print(f"{args.threads} thread(s), photo of {photo.shape[1]} × {photo.shape[0]} pixels")
    print("| job | wall, ms | processor, ms |")
    print("|---|---|---|")
    for mirrored in (False, True):
        estimator = HeadPoseEstimator(args.weights, threads=args.threads, mirrored=mirrored)
        image = "with its mirror image" if mirrored else "alone"
        for count in (1, 64):
            wall, cpu = median_ms(partial(estimator.estimate_crops, crops[:count]), args.repeats)
            print(f"| a head of {count}, {image} | {wall / count:.2f} | {cpu / count:.2f} |", flush=True)
    detector = HeadDetector(threads=args.threads)
    wide = np.ascontiguousarray(np.pad(photo, ((0, 640 - photo.shape[0]), (0, 640 - photo.shape[1]), (0, 0))))
    for side in (640, 960):
        detector.max_side = side
        wall, cpu = median_ms(lambda: detector(wide), args.repeats)
        print(f"| heads of a photo of 640 pixels, looked at with {side} | {wall:.1f} | {cpu:.1f} |", flush=True)
    command = [sys.executable, "-m", "semiuhpe", "predict"]
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in (
            ("predict --help", ["--help"]),
            ("predict, one photo", [str(PHOTO), "-o", folder, "--overwrite"]),
        ):
            begin, used = time.perf_counter(), children_s()
            done = subprocess.run([*command, *arguments], capture_output=True, check=False)
            took = 1e3 * (time.perf_counter() - begin)
            cpu = 1e3 * (children_s() - used)
            print(f"| {name}, exit {done.returncode} | {took:.0f} | {cpu:.0f} |", flush=True)


if __name__ == "__main__":
    main()
