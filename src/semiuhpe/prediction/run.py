"""`predict`: photos, videos, cameras and streams into a folder of drawings and tables. Killed, it goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semiuhpe.errors import InputError
from semiuhpe.files.interruption import Interruption
from semiuhpe.images.urls import Photo
from semiuhpe.prediction.job import Job
from semiuhpe.prediction.networks import open_networks
from semiuhpe.prediction.options import PredictOptions, StrPath, as_sources
from semiuhpe.prediction.output_folder import OutputFolder, numbered_folders, verdict_of
from semiuhpe.prediction.photo_boxes import photo_boxes
from semiuhpe.prediction.photo_folder import earlier_pictures, verdict_on_predictions
from semiuhpe.prediction.photo_sources import list_photos_and_videos
from semiuhpe.prediction.photos import PhotosDone, photo_settings, predict_photos
from semiuhpe.prediction.reporting import Reporter
from semiuhpe.prediction.videos import (
    VideoDone,
    check_photo_options,
    check_video_options,
    predict_videos,
    verdict_on_videos,
)


@dataclass(frozen=True)
class PredictResult:
    """What a run has done.

    Attributes:
        folder: that it wrote to, perhaps with a number.
        photos: what came of all photos.
        videos: what came of each video.
    """

    folder: Path
    photos: PhotosDone = field(default_factory=PhotosDone)
    videos: tuple[VideoDone, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Why some photos and videos could not be done, one line each."""
        return (*self.photos.failures, *(video.failure for video in self.videos if video.failure))


def predict(
    sources: StrPath | int | Sequence[StrPath | int],
    output: StrPath = "poses",
    options: PredictOptions | None = None,
    *,
    reporter: Reporter | None = None,
) -> PredictResult:
    """Estimate the pose of every head in photos, videos, cameras and streams, into a folder.

    It is what `semiuhpe predict` does. Of photos the folder holds predictions.json, tables and drawings, of each video
    a folder with annotated.mp4 and frames.jsonl; see docs/python_api.md. A source that cannot be read is told of in
    `failures`, the others are done all the same. Ctrl-C and SIGTERM end the run after the batch of photos or the frame
    at hand; the same call then goes on.

    Args:
        sources: one or several photos, videos, folders, glob patterns, .txt lists, camera numbers, URLs of photos or
            streams.
        output: the folder; where it holds results of other settings the next number is taken, `poses-2`.
        options: None = as they are by default.
        reporter: is told what happens; None = log and progress bars.

    Returns:
        What was done, and what failed.

    Raises:
        SemiUHPEError: sources that do not exist, options that do not go together, weights, device or folder that cannot
            be used.
        Interrupted: (a KeyboardInterrupt) after Ctrl-C.
    """
    options, reporter, output = options or PredictOptions(), reporter or Reporter(), Path(output)
    drawn = {path for folder in numbered_folders(output) for path in earlier_pictures(folder)}
    found, videos = list_photos_and_videos(as_sources(sources), recursive=options.recursive)
    photos: list[Photo] = [photo for photo in found if not isinstance(photo, Path) or photo.resolve() not in drawn]
    if not photos and not videos:
        raise InputError(f"{output}: every picture there is one that an earlier run drew; name other photos")
    if videos:
        check_video_options(options, videos)
    else:
        check_photo_options(options)
    boxes = photo_boxes(photos, options.boxes)
    estimator, settings = open_networks(options)
    of_photos = photo_settings(options, settings)

    def verdict(folder: Path) -> str | None:
        earlier: list[str | None] = [verdict_on_predictions(folder, of_photos)]
        return verdict_of([*earlier, *verdict_on_videos(folder, videos, options, settings)])

    with Interruption() as interruption, OutputFolder(output, options.start, verdict, reporter.note) as folder:
        job = Job(options, estimator, settings, folder.path, folder.start, interruption, reporter)
        of_all = predict_photos(photos, job, boxes) if photos else PhotosDone()
        return PredictResult(folder.path, of_all, tuple(predict_videos(videos, job)))
