"""Speed of `semiuhpe predict` on a 720p video of 4 moving heads, with tracking, and where it goes.

    python benchmarks/video.py [--threads 2] [--frames 300] [--style axes] [--weights default]

The video is made first, by benchmarks/clips.py. Then the real command runs as a process of its own, held to as many
cores as it has threads (where the system can do that), with the annotated MP4 and without: frames a second from start
to end, start-up included, and processor seconds a frame, which mean something on a busy machine too. At last one run
inside this process, in which networks, OpenCV and codecs have one thread each, so that a thread's processor time is all
that a call costs: the share of each stage. `--only shares` or `--only runs` leaves the other part out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clips import write_clip

WIDTH, HEIGHT, HEADS, FPS = 1280, 720, 4, 25
STAGES = ("decode", "detect", "pose", "track", "smooth", "draw", "encode", "tables")
OWN_THREAD = ("decode",)
"""Stages that run beside the others, in the thread that reads."""


def command(clip: Path, folder: Path, args: argparse.Namespace, style: str) -> list[str]:
    """Arguments of `semiuhpe`."""
    return [
        "predict",
        str(clip),
        "-o",
        str(folder),
        "--threads",
        str(args.threads),
        "--style",
        style,
        "--overwrite",
        "--weights",
        args.weights,
        "--smooth",
        "0.2",
        "--format",
        "jsonl",
        "csv",
    ]


def run(clip: Path, folder: Path, args: argparse.Namespace, style: str) -> dict[str, float]:
    """The command in a process of its own. → wall and processor seconds, and what it found."""

    def hold() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, began = used(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "semiuhpe", *command(clip, folder, args, style)],
        check=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=hold,
    )
    return {"wall_s": time.perf_counter() - began, "cpu_s": used() - before, **found(folder / clip.stem)}


def found(folder: Path) -> dict[str, float]:
    """Frames, heads a frame, identities and how often the detector ran, from the table of a run."""
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    frames = [line for line in lines if "frame" in line]
    heads = [head for frame in frames for head in frame["heads"]]
    return {
        "frames": len(frames),
        "heads": len(heads) / len(frames),
        "identities": len({head["track_id"] for head in heads}),
        "every": len(frames) / sum(frame["detected"] for frame in frames),
    }


class Stopwatch:
    """Processor seconds by stage: a call's own, without those of stages that are called from it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._local = threading.local()

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        outer, self._local.inner = getattr(self._local, "inner", 0.0), 0.0
        began = time.thread_time()
        try:
            yield
        finally:
            took = time.thread_time() - began
            self.seconds[stage] += took - self._local.inner
            self._local.inner = outer + took

    def watch(self, owner: Any, name: str, stage: str) -> None:
        """Time a function of a class or module from now on."""
        inner: Callable[..., Any] = getattr(owner, name)

        def outer(*args: Any, **options: Any) -> Any:
            with self.timed(stage):
                return inner(*args, **options)

        setattr(owner, name, outer)

    def watch_iteration(self, owner: Any, stage: str) -> None:
        """Time what a class yields."""
        inner = owner.__iter__

        def outer(this: Any) -> Iterator[Any]:
            items = inner(this)
            while True:
                with self.timed(stage):
                    item = next(items, None)
                if item is None:
                    return
                yield item

        owner.__iter__ = outer


def shares(clip: Path, folder: Path, args: argparse.Namespace) -> tuple[dict[str, float], float, dict[str, float]]:
    """Processor seconds by stage, those of the whole run after start-up, and what it found. Patches this process for good."""
    import cv2

    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.poses.head_poses import HeadPoses
    from semiuhpe.prediction import run, video_folder, videos
    from semiuhpe.prediction.options import PredictOptions
    from semiuhpe.tracking import stream
    from semiuhpe.tracking import tracker as tracking
    from semiuhpe.tracking.smoothing import RotationSmoother
    from semiuhpe.video import decode as video_reader
    from semiuhpe.video import writer as video_writer

    cv2.setNumThreads(1)
    open_video, open_encoder = video_reader.VideoSource.__init__, video_writer._encoder

    def one_decoder(this: Any, *positional: Any, **options: Any) -> None:
        open_video(this, *positional, **options)
        this.stream.codec_context.thread_count = 1

    def one_encoder(*positional: Any) -> Any:
        made = open_encoder(*positional)
        made.codec_context.thread_count = 1
        return made

    video_reader.VideoSource.__init__ = one_decoder  # type: ignore[assignment, method-assign]  # for good, as said
    video_writer._encoder = one_encoder  # type: ignore[assignment]
    watch = Stopwatch()
    watch.watch_iteration(video_reader.VideoSource, "decode")
    for owner, name, stage in (
        (run, "open_networks", "start"),
        (HeadPoseEstimator, "detect", "detect"),
        (HeadPoseEstimator, "estimate", "pose"),
        (stream, "grey_of", "track"),
        (stream, "carry", "track"),
        (tracking.MotionTracker, "update", "track"),
        (tracking.MotionTracker, "carry", "track"),
        (RotationSmoother, "__call__", "smooth"),
        (HeadPoses, "draw", "draw"),
        (video_writer.SegmentWriter, "add", "encode"),
        (video_writer.SegmentWriter, "close", "encode"),
        (video_folder, "join", "encode"),
        (video_folder.VideoFolder, "add", "tables"),
        (video_folder.VideoFolder, "checkpoint", "tables"),
        (video_folder.VideoFolder, "finish", "tables"),
        (videos, "_one", "other"),
    ):
        watch.watch(owner, name, stage)
    options = PredictOptions(
        weights=args.weights, threads=1, style=args.style, smooth_s=0.2, tables=("jsonl", "csv"), start="overwrite"
    )
    began = time.process_time()
    done = run.predict(clip, folder, options)
    if done.failures:
        raise SystemExit(done.failures[0])
    total = time.process_time() - began - watch.seconds.pop("start")
    return dict(watch.seconds), total, found(folder / clip.stem)


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--style", default="axes", choices=["axes", "cube", "cone", "mesh"])
    parser.add_argument("--weights", default="default")
    parser.add_argument("--only", choices=["runs", "shares"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clip = write_clip(Path(temporary, "clip.mp4"), WIDTH, HEIGHT, HEADS, args.frames, FPS)
        print(f"{args.frames} frames of {WIDTH} × {HEIGHT}, {HEADS} heads, {args.threads} thread(s)\n")
        if args.only != "shares":
            print("| | frames a second | processor ms a frame | heads a frame | identities | detector runs every |")
            print("|---|---|---|---|---|---|")
            for style in (args.style, "none"):
                row = run(clip, Path(temporary, style), args, style)
                name = "tables and no video" if style == "none" else f"tables and annotated MP4 ({style})"
                print(
                    f"| {name} | {row['frames'] / row['wall_s']:.1f} | {1e3 * row['cpu_s'] / row['frames']:.1f} "
                    f"| {row['heads']:.2f} | {row['identities']} | {row['every']:.1f} |",
                    flush=True,
                )
        if args.only != "runs":
            seconds, total, row = shares(clip, Path(temporary, "shares"), args)
            rest = total - sum(seconds[stage] for stage in STAGES if stage in seconds)
            print(f"\n| stage | processor ms a frame | share |\n|---|---|---|\n{'':s}", end="")
            for stage in (*STAGES, "other"):
                took = rest if stage == "other" else seconds.get(stage, 0.0)
                print(f"| {stage} | {1e3 * took / row['frames']:.2f} | {100 * took / total:.0f} % |")
            print(f"| all | {1e3 * total / row['frames']:.2f} | |")
            serial = total - sum(seconds.get(stage, 0.0) for stage in OWN_THREAD)
            print(
                f"\nHeads a frame {row['heads']:.2f}, detector every {row['every']:.1f} frames. Without the thread that "
                f"reads: {1e3 * serial / row['frames']:.1f} ms a frame on one core."
            )


if __name__ == "__main__":
    main()
