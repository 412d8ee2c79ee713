"""Kills and interrupts of `semiuhpe predict` at random moments, until it is done; then everything is compared.

    python benchmarks/soak.py [--minutes 5] [--seed 0] [--networks tiny]

A chain is one folder of photos or one video. The command runs as a process of its own and is sent SIGKILL, SIGINT (once,
twice or three times) or SIGTERM after a random time, then runs again with --resume, and so on; when it has gone through,
every file it wrote (tables, pictures, the annotated video) is compared byte by byte with that of a run which
nobody disturbed. Chains go on until the time is up. The seed chooses the moments in seconds, so on another machine, or on
the same one busier, they strike other lines of code: that is the point.

Printed: how often it was struck and by what, how many strikes left something to go on with, and how many files differ.
Photos and video are made by benchmarks/clips.py; --networks tiny takes networks that cost nothing (built with the package
`onnx`), so that most of the time is spent where the files are written, "default" takes the real ones.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from clips import scenes, write_clip
from PIL import Image

from semiuhpe.files.locks import LOCK

STRIKES = {
    "SIGKILL": [signal.SIGKILL],
    "SIGINT": [signal.SIGINT],
    "SIGINT twice": [signal.SIGINT] * 2,
    "SIGINT three times": [signal.SIGINT] * 3,
    "SIGTERM": [signal.SIGTERM],
}
ENDED = (-signal.SIGKILL, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit codes of a process that was struck; -2 and -15: before it had begun to listen."""


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sources(folder: Path, photos: int, frames: int) -> dict[str, Path]:
    """A folder of photos and a video."""
    (folder / "photos").mkdir()
    for number, scene in enumerate(scenes(320, 240, 1, photos)):
        Image.fromarray(scene).save(folder / "photos" / f"{number}.jpg")
    return {"photos": folder / "photos", "video": write_clip(folder / "clip.mp4", 320, 180, 1, frames)}


def networks(folder: Path, name: str) -> list[str]:
    """Options that name them."""
    if name == "default":
        return []
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from helpers.tiny_onnx import write_weight_options

    return list(write_weight_options(folder, [[100.0, 40, 220, 170]], [0.9]))


def chain(command: list[str], output: Path, longest_s: float, rng: np.random.Generator, tries: Counter[str]) -> None:
    """Run, strike and resume until it goes through. longest_s: from the moment at which something is written."""
    while True:
        process = subprocess.Popen(
            [*command, "-o", str(output), "--resume"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        name = str(rng.choice(list(STRIKES)))
        while process.poll() is None and rng.uniform() > 0.01 and not (output / LOCK).exists():
            time.sleep(0.02)  # mostly it is struck at work, now and then while it starts
        try:
            process.wait(float(rng.uniform(0.0, longest_s)))
        except subprocess.TimeoutExpired:
            before = any(output.rglob("*.json*")) if output.exists() else False
            for signum in STRIKES[name]:
                process.send_signal(signum)
                time.sleep(float(rng.choice([0.0, 0.01, 0.1])))
            tries[name] += 1
            tries["with something to go on with"] += before
        _, error = process.communicate()
        if process.returncode == 0:
            return
        if process.returncode not in ENDED:
            raise SystemExit(f"exit code {process.returncode} after {name}: {error}")


def main() -> int:
    """Print a table; returns 1 if any file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--frames", type=int, default=700)
    parser.add_argument("--networks", choices=["tiny", "default"], default="tiny")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        options = [*networks(folder, args.networks), "--threads", "1", "--csv"]
        wholes, commands, seconds = {}, {}, {}
        for kind, source in sources(folder, args.photos, args.frames).items():
            commands[kind] = [sys.executable, "-m", "semiuhpe", "predict", str(source), *options]
            began = time.monotonic()
            subprocess.run([*commands[kind], "-o", str(folder / kind / "whole")], check=True, stdout=subprocess.DEVNULL)
            seconds[kind], wholes[kind] = time.monotonic() - began, content_of(folder / kind / "whole")
        tries: dict[str, Counter[str]] = {kind: Counter() for kind in commands}
        end, number = time.monotonic() + 60 * args.minutes, 0
        while time.monotonic() < end:
            kind = list(commands)[number % 2]
            output = folder / kind / f"chain{number}"
            chain(commands[kind], output, 0.6 * seconds[kind], rng, tries[kind])
            found, wanted = content_of(output), wholes[kind]
            names = {*found, *wanted}
            differing = sorted(name for name in names if found.get(name) != wanted.get(name))
            tries[kind].update({"chains": 1, "files compared": len(names), "files that differ": len(differing)})
            if differing:
                print(f"{kind}: {', '.join(differing)}", file=sys.stderr)
            number += 1
    rows = [*STRIKES, "with something to go on with", "chains", "files compared", "files that differ"]
    print(f"| | {' | '.join(tries)} |\n|---|{'---|' * len(tries)}")
    for row in rows:
        print(f"| {row} | {' | '.join(str(count[row]) for count in tries.values())} |")
    return int(any(count["files that differ"] for count in tries.values()))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    raise SystemExit(main())
