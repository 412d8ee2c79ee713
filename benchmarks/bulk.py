"""Heads a second and core in bulk: the serial loop, a bulk worker by itself, and workers under Ray.

    python benchmarks/bulk.py [--photos FOLDER] [--count 96] [--actors 2] [--without-ray]

Without --photos the demo photos are taken over and over, in several sizes. Every way computes with one thread a worker. What
it costs to begin (imports, networks, Ray) is left out: the clock starts when the first unit of pictures is done. "By processor
time" counts what all processes of a way used together, Ray's own included, and is the figure to trust on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from semiuhpe import HeadDetector, HeadPoseEstimator
from semiuhpe.prediction.bulk.plan import Unit
from semiuhpe.prediction.bulk.run import run_bulk
from semiuhpe.prediction.bulk.storage import Place, place
from semiuhpe.prediction.bulk.worker import Settings, Worker

DEMO = Path(__file__).resolve().parents[1] / "docs" / "demo"
FILES_OF_A_UNIT = 8
LONGEST = (512, 640, 800, 960)


@dataclass
class Clock:
    """Counts from its second mark on: heads, seconds, and processor seconds of this process and all below it."""

    began: tuple[float, float] | None = None
    ended: tuple[float, float] = (0.0, 0.0)
    heads: int = 0

    def mark(self, heads: int) -> None:
        """So many heads more are done."""
        now = (time.perf_counter(), processor_seconds())
        if self.began is None:
            self.began = now
            return
        self.ended = now
        self.heads += heads

    def row(self, name: str, cores: int) -> str:
        """A line of the table."""
        if self.began is None or not self.heads:
            return f"| {name} | {cores} | too few pictures | |"
        wall, used = (end - begin for end, begin in zip(self.ended, self.began, strict=True))
        return f"| {name} | {cores} | {self.heads / wall / cores:.2f} | {self.heads / used:.2f} |"


def processor_seconds() -> float:
    """Of this process and those below it that run, user and system time."""
    ticks, parents = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        number = int(entry.parent.name)
        parents[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])
    below, total = [os.getpid()], 0
    while below:
        one = below.pop()
        total += ticks.get(one, 0)
        below += [child for child, parent in parents.items() if parent == one]
    return total / os.sysconf("SC_CLK_TCK")


def demo_photos(folder: Path, count: int) -> Path:
    """So many photos, the demo's in turn, in sizes that take turns too."""
    sources = sorted(DEMO.glob("*.jpg"))
    for number in range(count):
        with Image.open(sources[number % len(sources)]) as photo:
            longest = LONGEST[number // len(sources) % len(LONGEST)]
            scale = longest / max(photo.size)
            photo.resize((round(photo.width * scale), round(photo.height * scale))).save(
                folder / f"{number:04d}.jpg", quality=90
            )
    return folder


def serial(paths: Sequence[Path]) -> Clock:
    """One photo after the other through an estimator."""
    estimator = HeadPoseEstimator(threads=1, detector=HeadDetector(threads=1))
    clock = Clock()
    for start in range(0, len(paths), FILES_OF_A_UNIT):
        clock.mark(sum(len(estimator(path)) for path in paths[start : start + FILES_OF_A_UNIT]))
    return clock


def bulk(folder: Path, engine: Callable[[Settings, Place, Sequence[Unit]], Iterator[dict[str, int]]]) -> Clock:
    """A whole bulk run."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as output:
        settings = Settings(threads=1)
        run_bulk(
            [str(folder)],
            place(output),
            settings,
            engine,
            files=FILES_OF_A_UNIT,
            progress=lambda done, _: clock.mark(done["heads"]),
        )
    return clock


def alone(settings: Settings, output: Place, units: Sequence[Unit]) -> Iterator[dict[str, int]]:
    """An engine of one worker in this process."""
    worker = Worker(settings, output)
    return (worker.do(unit) for unit in units)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder of photos (default: the demo's, repeated)")
    parser.add_argument(
        "--count", type=int, default=96, help="photos, where they are the demo's (default: %(default)s)"
    )
    parser.add_argument("--actors", type=int, default=2, help="workers under Ray (default: %(default)s)")
    parser.add_argument("--without-ray", action="store_true")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = args.photos or demo_photos(Path(made), args.count)
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        print(
            f"{len(paths)} photos\n| way | cores | heads/s and core, by the clock | by processor time |\n|---|---|---|---|"
        )
        print(serial(paths).row("serial loop", 1), flush=True)
        print(bulk(folder, alone).row("bulk worker", 1), flush=True)
        if not args.without_ray:
            import ray

            from semiuhpe.prediction.bulk.ray_engine import ray_engine

            ray.init(num_cpus=args.actors, include_dashboard=False, log_to_driver=False)
            print(bulk(folder, ray_engine(actors=args.actors)).row(f"Ray {ray.__version__}", args.actors), flush=True)
            ray.shutdown()


if __name__ == "__main__":
    main()
