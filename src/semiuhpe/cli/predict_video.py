"""The part of `semiuhpe predict` that concerns videos, cameras and streams: its options, and a run over one source."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semiuhpe.inference.estimator import HeadPoseEstimator
    from semiuhpe.inference.frame_reader import FrameReader
    from semiuhpe.inference.prediction_folder import Start
    from semiuhpe.inference.source_kind import MovingSource
    from semiuhpe.inference.stream import PoseStream
    from semiuhpe.inference.video_folder import VideoFolder


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Options of moving sources."""
    group = parser.add_argument_group("videos, cameras and streams")
    group.add_argument(
        "--every", type=int, metavar="K", help="detect on each K-th frame, track between (default: what keeps up)"
    )
    group.add_argument(
        "--smooth", type=float, default=0.0, metavar="SECONDS",
        help="smooth rotations with this time constant; turning heads lag by about as much (default: off)",
    )  # fmt: skip
    group.add_argument(
        "--track", action=argparse.BooleanOptionalAction, default=True, help="keep the identity of heads (default: yes)"
    )
    group.add_argument(
        "--tracker", choices=["motion", "bytetrack"], default="motion",
        help="bytetrack needs semiuhpe[tracking] (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--format", nargs="+", choices=["jsonl", "csv", "parquet"], default=["jsonl"], dest="formats",
        help="tables to write; parquet needs semiuhpe[store] (default: jsonl)",
    )  # fmt: skip
    group.add_argument(
        "--seconds", type=float, help="stop after so much of each video; a camera else runs until Ctrl-C"
    )


def check_video_options(args: argparse.Namespace) -> None:
    """Raise InputError or MissingExtraError for options that cannot work, before any of it."""
    from semiuhpe.inference.checks import InputError
    from semiuhpe.inference.pace import Pace
    from semiuhpe.inference.smoothing import RotationSmoother
    from semiuhpe.inference.tables import check_parquet

    Pace(args.every, 30.0)
    if args.smooth:
        RotationSmoother(args.smooth)
    if not args.track and (args.smooth or args.every not in (None, 1) or args.tracker != "motion"):
        raise InputError("--no-track goes with none of --every, --smooth and --tracker: they need identities")
    if args.seconds is not None and not args.seconds > 0:
        raise InputError(f"--seconds is a positive number, got {args.seconds}")
    if args.boxes or args.crops:
        raise InputError("--boxes and --crops are for photos; a video's heads are detected")
    if "parquet" in args.formats:
        check_parquet()
    if args.tracker == "bytetrack":
        from semiuhpe.inference.tracking import ByteTracker

        ByteTracker()


def predict_videos(
    videos: Sequence[MovingSource],
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    settings: dict[str, Any],
    start: Start,
) -> int:
    """Every video into a folder of its own; returns how many failed (they are told, the others are done)."""
    from semiuhpe.errors import VideoError
    from semiuhpe.inference.checks import InputError

    failed = 0
    for video in videos:
        if video.kind != "file" and start == "resume":
            raise InputError(f"{video.public_name}: a live source cannot be resumed; leave --resume out")
        try:
            _one(video, args, estimator, settings, start)
        except VideoError as error:
            print(f"semiuhpe: error: {' '.join(str(error).split())}", file=sys.stderr)
            failed += 1
    return failed


def _one(
    video: MovingSource, args: argparse.Namespace, estimator: HeadPoseEstimator, settings: dict[str, Any], start: Start
) -> None:
    from semiuhpe.inference.frame_reader import FrameReader
    from semiuhpe.inference.source_kind import check_source
    from semiuhpe.inference.video_folder import VideoFolder, folder_for

    check_source(video)
    name = os.path.abspath(video.name) if video.kind == "file" else video.public_name
    settings = {**settings, "source": name, **_of_run(args)}
    if video.kind == "file":
        status = os.stat(video.name)
        settings |= {"source_bytes": status.st_size, "source_modified_ns": status.st_mtime_ns}
    path = folder_for(args.output, video.stem, name)
    # Opened before anything is written, so that a source that cannot be read leaves no folder behind.
    probe = FrameReader(video.opener(), video.public_name)
    live = probe.live
    if not live:
        probe.close()
    folder = VideoFolder(path, settings, start)
    try:
        if not folder.finished:
            if not folder.ended:
                # The last frame that is done is read once more: what moves is seen against it.
                skip = max(folder.done - 1, 0)
                reader = probe if live else FrameReader(video.opener(skip), video.public_name, first_index=skip)
                with reader:
                    _frames(reader, folder, args, estimator)
            _finish(folder, video, args, estimator, live=live)
    finally:
        probe.close()
        folder.abandon()
    print(f"{folder.heads} heads in {folder.done} frames of {video.public_name}; results in {path}/")


def _of_run(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "every": args.every, "track": args.track, "tracker": args.tracker, "smooth_s": args.smooth,
        "style": args.style, "labels": args.labels, "seconds": args.seconds,
    }  # fmt: skip


def _frames(reader: FrameReader, folder: VideoFolder, args: argparse.Namespace, estimator: HeadPoseEstimator) -> None:
    from tqdm import tqdm

    fps = reader.fps or 30.0
    moving = _pose_stream(args, estimator, fps)
    bar = tqdm(
        total=reader.frame_count, initial=folder.done, unit="frame", desc=reader.name, disable=not sys.stderr.isatty()
    )
    primed = folder.state is None
    if folder.state is not None:
        moving.restore(folder.state)
    try:
        for frame in reader:
            if not primed:
                moving.prime(frame.image)
                primed = True
                continue
            if args.seconds is not None and frame.time_s >= args.seconds:
                break
            result = moving(frame)
            began = time.perf_counter()
            drawing = None if args.style == "none" else result.heads.draw(result.image, args.style, labels=args.labels)
            folder.add(result, args.euler, drawing, fps)
            bar.update()
            bar.set_postfix(heads=len(result.heads), every=moving.every, refresh=False)
            if folder.due:
                folder.checkpoint(moving.state())
            moving.note_after(time.perf_counter() - began)
    except KeyboardInterrupt:
        if not reader.live:
            folder.checkpoint(moving.state())
            raise
        # Of a camera, this is how one says that it is enough.
    finally:
        bar.close()
    folder.checkpoint(moving.state(), ended=True)


def _pose_stream(args: argparse.Namespace, estimator: HeadPoseEstimator, fps: float) -> PoseStream:
    from semiuhpe.inference.stream import PoseStream
    from semiuhpe.inference.tracking import ByteTracker

    tracker = ByteTracker(fps / (args.every or 1)) if args.tracker == "bytetrack" else None
    return PoseStream(estimator, every=args.every, track=args.track, tracker=tracker, smooth_s=args.smooth, fps=fps)


def _finish(
    folder: VideoFolder, video: MovingSource, args: argparse.Namespace, estimator: HeadPoseEstimator, *, live: bool
) -> None:
    from semiuhpe import __version__

    formats = {*args.formats, *(["csv"] if args.csv else [])}
    header = {"semiuhpe": __version__, "weights_sha256": estimator.weights.sha256, "source": video.public_name}
    sound = video.name if video.kind == "file" and not live else None
    folder.finish(header, args.euler, sorted(formats), sound)
