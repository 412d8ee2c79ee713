"""Peak memory of one large photo, and of short and long videos.

    python benchmarks/memory.py [--megapixels 100]
    python benchmarks/memory.py --video-frames 1000 10000 [--size 320 180]

The photo: each step from the file to poses and a drawing runs in a process of its own, so that its peak is its own: the
interpreter with the package, then with the estimator, then with the photo decoded, estimated and drawn. The photo is a
noisy JPEG with the demo's heads on it.

The videos: `semiuhpe predict` with tracking, smoothing, annotated MP4 and all three tables, each in a process of its own.
One head moves over the picture, made by benchmarks/clips.py. What matters is the difference: memory must not grow with
the number of frames. Processor seconds rather than a clock's, for it takes a while and other things may run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from clips import write_clip
from PIL import Image

DEMO = Path(__file__).parents[1] / "docs" / "demo" / "grace_hopper.jpg"
STEPS = ("import", "estimator", "decode", "estimate", "draw")


def make_photo(path: Path, megapixels: float) -> tuple[int, int]:
    """Write a 4:3 JPEG of so many megapixels; → width, height."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    row = np.random.default_rng(0).integers(90, 160, (64, width, 3), dtype=np.uint8)
    picture = Image.new("RGB", (width, height))
    tile = Image.fromarray(row)
    for top in range(0, height, 64):
        picture.paste(tile, (0, top))
    head = Image.open(DEMO)
    for number in range(4):
        picture.paste(head, ((width - head.width) * number // 3, (height - head.height) * number // 3))
    picture.save(path, quality=85)
    return width, height


def run_step(step: str, path: Path) -> dict[str, float]:
    """Everything up to a step, in this process; → peak in MiB and seconds."""
    begin = time.perf_counter()
    import semiuhpe.estimator as inference
    from semiuhpe.images.load import load_image

    if STEPS.index(step) >= 1:
        estimator = inference.HeadPoseEstimator(threads=1)
        estimator(np.zeros((64, 64, 3), np.uint8))
    found = 0
    if STEPS.index(step) >= 2:
        image = load_image(path)
    if STEPS.index(step) >= 3:
        heads = estimator(image)
        found = len(heads)
    if STEPS.index(step) >= 4:
        heads.draw(image, "mesh")
    return {"peak_mib": peak_mib(), "heads": found, "seconds": time.perf_counter() - begin}


def run_video(path: Path) -> dict[str, float]:
    """The job behind `semiuhpe predict` in this process; → peak in MiB, heads, processor seconds."""
    from semiuhpe import PredictOptions, predict

    options = PredictOptions(threads=1, smooth_s=0.2, start="overwrite", tables=("jsonl", "csv", "parquet"))
    done = predict(path, path.parent / "poses", options)
    if done.failures:
        raise SystemExit(done.failures[0])
    result = json.loads((done.folder / path.stem / "video.json").read_text())
    return {
        "peak_mib": peak_mib(),
        "heads": result["heads"],
        "frames": result["frames"],
        "seconds": time.process_time(),
    }


def peak_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def child(step: str, path: Path, *arguments: str) -> Any:
    """The answer of a step in a process of its own."""
    # A process begins with its parent's peak: that is why photos and videos are made by a child too.
    command = [sys.executable, __file__, "--step", step, "--path", str(path), *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure_photo(megapixels: float) -> None:
    """Print the photo's table."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        width, height = child("photo", photo, "--megapixels", str(megapixels))
        print(f"{width} × {height} pixels, {width * height * 3 / (1 << 20):.0f} MiB as an array\n")
        print("| up to | peak MiB | heads | seconds |\n|---|---|---|---|")
        for step in STEPS:
            row = child(step, photo)
            print(f"| {step} | {row['peak_mib']:.0f} | {row['heads']} | {row['seconds']:.1f} |", flush=True)


def measure_videos(counts: list[int], size: tuple[int, int]) -> None:
    """Print the videos' table."""
    print(f"{size[0]} × {size[1]} pixels\n\n| frames | peak MiB | heads | processor seconds |\n|---|---|---|---|")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder, "clip.mp4")
            child("clip", clip, "--size", *map(str, size), "--video-frames", str(count))
            row = child("video", clip)
            if row["frames"] != count:
                raise SystemExit(f"{row['frames']} frames instead of {count}")
            print(f"| {count} | {row['peak_mib']:.0f} | {row['heads']} | {row['seconds']:.0f} |", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--video-frames", type=int, nargs="+", metavar="N", help="videos of so many frames instead")
    parser.add_argument("--size", type=int, nargs=2, default=(320, 180), metavar=("W", "H"), help="of the videos")
    parser.add_argument("--step", choices=("photo", *STEPS, "clip", "video"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step == "photo":
        print(json.dumps(make_photo(args.path, args.megapixels)))
    elif args.step == "clip":
        print(json.dumps(str(write_clip(args.path, *map(int, args.size), heads=1, frames=args.video_frames[0]))))
    elif args.step:
        print(json.dumps(run_video(args.path) if args.step == "video" else run_step(args.step, args.path)))
    elif args.video_frames:
        width, height = args.size
        measure_videos(args.video_frames, (width, height))
    else:
        measure_photo(args.megapixels)


if __name__ == "__main__":
    main()
