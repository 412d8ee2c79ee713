"""Peak memory of one photo, from the file to poses and a drawing: `python benchmarks/memory.py [--megapixels 100]`.

Each step runs in a process of its own, so that its peak is its own: the interpreter with the package, then with
the estimator, then with the photo decoded, estimated and drawn. The photo is a noisy JPEG with the demo's heads on it.
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
    import semiuhpe.inference.estimator as inference
    from semiuhpe.inference.media import load_image

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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "peak_mib": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
        "heads": found,
        "seconds": time.perf_counter() - begin,
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--step", choices=("photo", *STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--photo", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        made = args.step == "photo"
        print(json.dumps(make_photo(args.photo, args.megapixels) if made else run_step(args.step, args.photo)))
        return
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")

        def child(step: str) -> Any:
            # A process begins with its parent's peak: that is why the photo is made by a child too.
            command = [sys.executable, __file__, "--step", step, "--photo", str(photo)]
            command += ["--megapixels", str(args.megapixels)]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        width, height = child("photo")
        print(f"{width} × {height} pixels, {width * height * 3 / (1 << 20):.0f} MiB as an array\n")
        print("| up to | peak MiB | heads | seconds |\n|---|---|---|---|")
        for step in STEPS:
            row = child(step)
            print(f"| {step} | {row['peak_mib']:.0f} | {row['heads']} | {row['seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
