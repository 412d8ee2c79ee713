"""Videos, cameras and streams of a run: each into a folder of its own, resumable at every checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semiuhpe.errors import InputError, VideoError
from semiuhpe.files.names import safe_name
from semiuhpe.prediction.job import Job
from semiuhpe.prediction.options import PredictOptions
from semiuhpe.prediction.reporting import counted
from semiuhpe.prediction.run_settings import Start
from semiuhpe.prediction.video_folder import VideoFolder, folder_for, read_status, verdict_on_video
from semiuhpe.prediction.window import Window, open_window
from semiuhpe.tracking.pace import DETECTIONS_HZ, Pace, fixed_interval
from semiuhpe.tracking.smoothing import RotationSmoother
from semiuhpe.tracking.stream import PoseStream
from semiuhpe.tracking.tracker import ByteTracker
from semiuhpe.video.reader import FrameReader
from semiuhpe.video.sources import MovingSource, check_source

_FPS = 30.0
"""Of a source that does not tell its rate."""


@dataclass(frozen=True)
class VideoDone:
    """What came of a video. folder: None where it could not be opened. failure: why not all of it was done, one line."""

    name: str
    folder: Path | None = None
    frames: int = 0
    heads: int = 0
    failure: str = ""


def check_video_options(options: PredictOptions, videos: Sequence[MovingSource]) -> None:
    """Raise InputError or MissingExtraError for options that cannot work, before any of it."""
    live = [video.public_name for video in videos if video.kind != "file"]
    if options.start == "resume" and live:
        raise InputError(f"{live[0]}: a live source cannot be resumed; leave --resume out")
    Pace(options.every, _FPS)
    if options.smooth_s:
        RotationSmoother(options.smooth_s)
    if not options.track and (options.smooth_s or options.every not in (None, 1) or options.tracker != "motion"):
        raise InputError("--no-track goes with none of --every, --smooth and --tracker: they need identities")
    if options.seconds is not None and not options.seconds > 0:
        raise InputError(f"--seconds is a positive number, got {options.seconds}")
    if options.heads_from != "detected":
        raise InputError("--boxes and --crops are for photos; a video's heads are detected")
    if options.tracker == "bytetrack":
        ByteTracker()
    with open_window(options.show):  # where there can be none, that is told now
        pass


def check_photo_options(options: PredictOptions) -> None:
    """Raise InputError for an option of videos where there are none: it would do nothing."""
    given = {
        "--every": options.every is not None,
        "--smooth": bool(options.smooth_s),
        "--no-track": not options.track,
        "--tracker": options.tracker != "motion",
        "--seconds": options.seconds is not None,
        "--show": options.show,
        "--format rerun": "rerun" in options.tables,
    }
    for option, there in given.items():
        if there:
            raise InputError(f"{option} is for videos, cameras and streams, and no source is one; leave it out")


def predict_videos(videos: Sequence[MovingSource], job: Job) -> Iterator[VideoDone]:
    """Every video into a folder of its own; one that fails is told of, and the others are done. Raises Interrupted."""
    for video in videos:
        job.interruption.check()
        try:
            with open_window(job.options.show) as window:
                done = _one(video, job, window)
        except VideoError as error:
            failure = " ".join(str(error).split())
            job.reporter.failure(failure)
            done = VideoDone(video.public_name, failure=failure)
        yield done


def verdict_on_videos(
    output: Path, videos: Sequence[MovingSource], options: PredictOptions, settings: dict[str, Any]
) -> list[str | None]:
    """An `output_folder.Verdict` on the folder of each video in an output folder."""
    verdicts = []
    for video in videos:
        try:
            check_source(video)
        except VideoError:  # it is told when its turn comes
            continue
        folder, wanted = _folder_of(output, video), {**settings, **_settings_of(video, options)}
        verdicts.append(verdict_on_video(folder, wanted, live=video.kind != "file"))
    return verdicts


def _folder_of(output: Path, video: MovingSource) -> Path:
    return folder_for(output, safe_name(video.stem), _name_of(video))


def _name_of(video: MovingSource) -> str:
    return os.path.abspath(video.name) if video.kind == "file" else video.public_name


def _settings_of(video: MovingSource, options: PredictOptions) -> dict[str, Any]:
    """What a video's results depend on, beside the networks."""
    settings = {
        "source": _name_of(video),
        "every": options.every,
        "track": options.track,
        "tracker": options.tracker,
        "smooth_s": options.smooth_s,
        **options.drawing_settings,
        "seconds": options.seconds,
    }
    if video.kind == "file":
        status = os.stat(video.name)
        settings |= {"source_bytes": status.st_size, "source_modified_ns": status.st_mtime_ns}
        settings["every"] = options.every or f"{DETECTIONS_HZ:g} Hz"
    return settings


def _one(video: MovingSource, job: Job, window: Window | None) -> VideoDone:
    check_source(video)
    settings = {**job.settings, **_settings_of(video, job.options)}
    path = _folder_of(job.folder, video)
    # Opened before anything is written, so that a source that cannot be read leaves no folder behind.
    probe = FrameReader(video.opener(), video.public_name, stop=lambda: job.interruption.asked)
    live = probe.live
    if not live:
        probe.close()
    folder = VideoFolder(path, settings, _start_of(video, job))
    try:
        if folder.finished:
            folder.write_tables(job.options.euler, _tables(job))
        else:
            if not folder.ended:
                # The last frame that is done is read once more: what moves is seen against it.
                skip = max(folder.done - 1, 0)
                reader = (
                    probe
                    if live
                    else FrameReader(
                        video.opener(skip), video.public_name, first_index=skip, stop=lambda: job.interruption.asked
                    )
                )
                with reader:
                    _frames(reader, folder, job, window)
            _finish(folder, video, job, probe)
    finally:
        probe.close()
        folder.abandon()
    found = f"{counted(folder.heads, 'head')} in {counted(folder.done, 'frame')}"
    job.reporter.done(f"{found} of {video.public_name}; results in {path}/")
    return VideoDone(video.public_name, path, folder.done, folder.heads)


def _start_of(video: MovingSource, job: Job) -> Start:
    """How to open a video's folder: what has no state to go on with is not gone on with in the middle."""
    if video.kind != "file" and job.start == "resume":
        return "fresh"
    if (
        job.options.tracker != "motion"
        and job.start == "resume"
        and "state" in read_status(_folder_of(job.folder, video))
    ):
        return "overwrite"
    return job.start


def _frames(reader: FrameReader, folder: VideoFolder, job: Job, window: Window | None) -> None:
    """Every frame into the folder. What Ctrl-C cuts short is left as a kill would leave it, at the last checkpoint."""
    options, interruption = job.options, job.interruption
    moving = _pose_stream(job, reader)
    primed = folder.state is None
    if folder.state is not None:
        moving.restore(folder.state)
    with job.reporter.bar(total=reader.frame_count, initial=folder.done, unit="frame", desc=reader.name) as bar:
        for frame in reader:
            if not primed:
                moving.prime(frame.image)
                primed = True
                continue
            if interruption.asked or (options.seconds is not None and frame.time_s >= options.seconds):
                break
            result = moving(frame)
            began = time.perf_counter()
            drawing = options.drawing(result.image, result.heads)
            crops = options.cut_out(result.image, result.heads)
            folder.add(result, options.euler, drawing, reader.fps or _FPS, crops)
            bar.update()
            bar.set_postfix(heads=len(result.heads), every=moving.every, refresh=False)
            if folder.due:
                folder.checkpoint(moving.state())
            if window is not None and drawing is not None and not window.show(drawing) and reader.live:
                break  # its user has closed it
            moving.note_after(time.perf_counter() - began)
    if reader.live:  # Ctrl-C is how one says that it is enough
        interruption.take_back()
    else:
        interruption.check()
    folder.checkpoint(moving.state(), ended=True)


def _every(options: PredictOptions, reader: FrameReader) -> int | None:
    """The detector looks at each so-many-th frame; None for a live source, which is kept up with."""
    if options.every is not None or not options.track:
        return int(options.every or 1)
    return None if reader.live else fixed_interval(reader.fps or _FPS)


def _pose_stream(job: Job, reader: FrameReader) -> PoseStream:
    options, fps = job.options, reader.fps or _FPS
    every = _every(options, reader)
    tracker = ByteTracker(fps / (every or 1)) if options.tracker == "bytetrack" else None
    return PoseStream(
        job.estimator,
        every=every,
        track=options.track,
        tracker=tracker,
        smooth_s=options.smooth_s,
        fps=fps,
        live=reader.live,
    )


def _tables(job: Job) -> list[str]:
    return sorted(set(job.options.tables))


def _finish(folder: VideoFolder, video: MovingSource, job: Job, reader: FrameReader) -> None:
    header = {**job.header(), "source": video.public_name, "detector_every": _every(job.options, reader)}
    sound = video.name if video.kind == "file" and not reader.live else None
    folder.finish(header, job.options.euler, _tables(job), sound, job.interruption.check)
