"""The part of `semiuhpe predict` that concerns videos, cameras and streams: its options, and a run over one source."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from semiuhpe.estimator import HeadPoseEstimator
    from semiuhpe.files.interruption import Interruption
    from semiuhpe.prediction.run_settings import Start
    from semiuhpe.prediction.video_folder import VideoFolder
    from semiuhpe.tracking.stream import PoseStream
    from semiuhpe.video.reader import FrameReader
    from semiuhpe.video.sources import MovingSource

_FPS = 30.0
"""Of a source that does not tell its rate."""


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Options of moving sources."""
    group = parser.add_argument_group("videos, cameras and streams")
    group.add_argument(
        "--every", type=int, metavar="K",
        help="detect on each K-th frame, track between (default: 5 times a "
        "second of a video, and of a live source what keeps up)",
    )  # fmt: skip
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
        "--format", nargs="+", choices=["jsonl", "csv", "parquet", "rerun"], default=["jsonl"], dest="formats",
        help="tables to write; parquet needs semiuhpe[store], and rerun, a recording for its viewer, semiuhpe[rerun] "
        "(default: jsonl)",
    )  # fmt: skip
    group.add_argument(
        "--seconds", type=float, help="stop after so much of each video; a camera else runs until Ctrl-C"
    )


def check_video_options(args: argparse.Namespace, videos: Sequence[MovingSource]) -> None:
    """Raise InputError or MissingExtraError for options that cannot work, before any of it."""
    from semiuhpe.errors import InputError
    from semiuhpe.poses.exchange import check_parquet
    from semiuhpe.tracking.pace import Pace
    from semiuhpe.tracking.smoothing import RotationSmoother

    live = [video.public_name for video in videos if video.kind != "file"]
    if args.resume and live:
        raise InputError(f"{live[0]}: a live source cannot be resumed; leave --resume out")
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
    if "rerun" in args.formats:
        from semiuhpe.prediction.rerun_log import check_rerun

        check_rerun()
    if args.tracker == "bytetrack":
        from semiuhpe.tracking.tracker import ByteTracker

        ByteTracker()


def predict_videos(
    videos: Sequence[MovingSource],
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    settings: dict[str, Any],
    start: Start,
    interruption: Interruption,
) -> int:
    """Every video into a folder of its own; returns how many failed (they are told, the others are done)."""
    from semiuhpe.errors import VideoError

    failed = 0
    for video in videos:
        interruption.check()
        try:
            _one(video, args, estimator, settings, start, interruption)
        except VideoError as error:
            print(f"semiuhpe: error: {' '.join(str(error).split())}", file=sys.stderr)
            failed += 1
    return failed


def verdict_on_videos(
    output: Path, videos: Sequence[MovingSource], args: argparse.Namespace, settings: dict[str, Any]
) -> list[str | None]:
    """An `output_folder.Verdict` on the folder of each video in an output folder."""
    from semiuhpe.errors import VideoError
    from semiuhpe.prediction.video_folder import verdict_on_video
    from semiuhpe.video.sources import check_source

    verdicts = []
    for video in videos:
        try:
            check_source(video)
        except VideoError:  # it is told when its turn comes
            continue
        folder, wanted = _folder_of(output, video), {**settings, **_settings_of(video, args)}
        verdicts.append(verdict_on_video(folder, wanted, live=video.kind != "file"))
    return verdicts


def _folder_of(output: Path, video: MovingSource) -> Path:
    from semiuhpe.files.names import safe_name
    from semiuhpe.prediction.video_folder import folder_for

    return folder_for(output, safe_name(video.stem), _name_of(video))


def _name_of(video: MovingSource) -> str:
    return os.path.abspath(video.name) if video.kind == "file" else video.public_name


def _settings_of(video: MovingSource, args: argparse.Namespace) -> dict[str, Any]:
    """What a video's results depend on, beside the networks."""
    from semiuhpe.tracking.pace import DETECTIONS_HZ

    settings = {
        "source": _name_of(video), "every": args.every, "track": args.track, "tracker": args.tracker,
        "smooth_s": args.smooth, "style": args.style, "labels": args.labels, "seconds": args.seconds,
    }  # fmt: skip
    if video.kind == "file":
        status = os.stat(video.name)
        settings |= {"source_bytes": status.st_size, "source_modified_ns": status.st_mtime_ns}
        settings["every"] = args.every or f"{DETECTIONS_HZ:g} Hz"
    return settings


def _one(
    video: MovingSource,
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    settings: dict[str, Any],
    start: Start,
    interruption: Interruption,
) -> None:
    from semiuhpe.prediction.video_folder import VideoFolder
    from semiuhpe.video.reader import FrameReader
    from semiuhpe.video.sources import check_source

    check_source(video)
    settings = {**settings, **_settings_of(video, args)}
    path = _folder_of(args.output, video)
    # Opened before anything is written, so that a source that cannot be read leaves no folder behind.
    probe = FrameReader(video.opener(), video.public_name, stop=lambda: interruption.asked)
    live = probe.live
    if not live:
        probe.close()
    folder = VideoFolder(path, settings, _start_of(video, args, start))
    try:
        if folder.finished:
            folder.write_tables(args.euler, _tables(args))
        else:
            if not folder.ended:
                # The last frame that is done is read once more: what moves is seen against it.
                skip = max(folder.done - 1, 0)
                reader = probe if live else FrameReader(
                    video.opener(skip), video.public_name, first_index=skip, stop=lambda: interruption.asked
                )  # fmt: skip
                with reader:
                    _frames(reader, folder, args, estimator, interruption)
            _finish(folder, video, args, estimator, probe, interruption)
    finally:
        probe.close()
        folder.abandon()
    print(f"{folder.heads} heads in {folder.done} frames of {video.public_name}; results in {path}/")


def _start_of(video: MovingSource, args: argparse.Namespace, start: Start) -> Start:
    """How to open a video's folder: what has no state to go on with is not gone on with in the middle."""
    from semiuhpe.prediction.video_folder import read_status

    if video.kind != "file" and start == "resume":
        return "fresh"
    if args.tracker != "motion" and start == "resume" and "state" in read_status(_folder_of(args.output, video)):
        return "overwrite"
    return start


def _frames(
    reader: FrameReader,
    folder: VideoFolder,
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    interruption: Interruption,
) -> None:
    """Every frame into the folder. What Ctrl-C cuts short is left as a kill would leave it, at the last checkpoint."""
    from tqdm import tqdm

    moving = _pose_stream(args, estimator, reader)
    bar = tqdm(
        total=reader.frame_count, initial=folder.done, unit="frame", desc=reader.name, disable=not sys.stderr.isatty()
    )
    primed = folder.state is None
    if folder.state is not None:
        moving.restore(folder.state)
    with bar:
        for frame in reader:
            if not primed:
                moving.prime(frame.image)
                primed = True
                continue
            if interruption.asked or (args.seconds is not None and frame.time_s >= args.seconds):
                break
            result = moving(frame)
            began = time.perf_counter()
            drawing = None if args.style == "none" else result.heads.draw(result.image, args.style, labels=args.labels)
            folder.add(result, args.euler, drawing, reader.fps or _FPS)
            bar.update()
            bar.set_postfix(heads=len(result.heads), every=moving.every, refresh=False)
            if folder.due:
                folder.checkpoint(moving.state())
            moving.note_after(time.perf_counter() - began)
    if reader.live:  # Ctrl-C is how one says that it is enough
        interruption.take_back()
    else:
        interruption.check()
    folder.checkpoint(moving.state(), ended=True)


def _every(args: argparse.Namespace, reader: FrameReader) -> int | None:
    """The detector looks at each so-many-th frame; None for a live source, which is kept up with."""
    from semiuhpe.tracking.pace import fixed_interval

    if args.every is not None or not args.track:
        return int(args.every or 1)
    return None if reader.live else fixed_interval(reader.fps or _FPS)


def _pose_stream(args: argparse.Namespace, estimator: HeadPoseEstimator, reader: FrameReader) -> PoseStream:
    from semiuhpe.tracking.stream import PoseStream
    from semiuhpe.tracking.tracker import ByteTracker

    fps, every = reader.fps or _FPS, _every(args, reader)
    tracker = ByteTracker(fps / (every or 1)) if args.tracker == "bytetrack" else None
    return PoseStream(
        estimator, every=every, track=args.track, tracker=tracker, smooth_s=args.smooth, fps=fps, live=reader.live
    )


def _tables(args: argparse.Namespace) -> list[str]:
    return sorted({*args.formats, *(["csv"] if args.csv else [])})


def _finish(
    folder: VideoFolder,
    video: MovingSource,
    args: argparse.Namespace,
    estimator: HeadPoseEstimator,
    reader: FrameReader,
    interruption: Interruption,
) -> None:
    from semiuhpe import __version__

    header = {
        "semiuhpe": __version__, "weights_sha256": estimator.weights.sha256, "source": video.public_name,
        "detector_every": _every(args, reader),
    }  # fmt: skip
    sound = video.name if video.kind == "file" and not reader.live else None
    folder.finish(header, args.euler, _tables(args), sound, interruption.check)
