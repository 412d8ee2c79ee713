"""Photos of a run: batch after batch through the networks, and one entry for each photo into the folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semiuhpe.errors import SemiUHPEError
from semiuhpe.geometry.crop import Image
from semiuhpe.images.batches import batches, each_together, outcome
from semiuhpe.images.urls import Photo, load_photo
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.prediction.boxes_file import Boxes
from semiuhpe.prediction.job import Job
from semiuhpe.prediction.options import PredictOptions
from semiuhpe.prediction.photo_folder import PredictionFolder, identity_of
from semiuhpe.prediction.reporting import counted

_Told = tuple[Photo, dict[str, int], "Boxes | None"]
"""A photo, its identity on disk before it was read, and its boxes where boxes are given."""


@dataclass(frozen=True)
class PhotosDone:
    """What came of the photos of a run, those that an earlier one had done included: their number, heads, and why some failed."""

    count: int = 0
    heads: int = 0
    failures: tuple[str, ...] = ()


def photo_settings(options: PredictOptions, settings: dict[str, Any]) -> dict[str, Any]:
    """What the results of photos depend on, JSON-ready. settings: those of the networks."""
    return {**settings, **options.drawing_settings}


def predict_photos(photos: Sequence[Photo], job: Job, boxes: Sequence[Boxes | None] | None) -> PhotosDone:
    """Every photo into the output folder. boxes: of each photo; None: as the options say. Raises InputError, Interrupted."""
    options = job.options
    with PredictionFolder(job.folder, photo_settings(options, job.settings), job.start, photos) as folder:
        with job.reporter.bar(
            total=len(photos), initial=sum(str(p) in folder.done for p in photos), unit="photo"
        ) as bar:
            for batch in batches(_pictures(photos, boxes, folder, job)):
                for entry, drawing, crops in _entries(batch, job):
                    if "error" in entry:
                        job.reporter.failure(entry["error"])
                    folder.add(entry, drawing, crops)
                    bar.update()
                job.interruption.check()
        entries = [folder.done[str(photo)] for photo in photos]
        folder.finish(photos, job.header(), list(options.euler), tables=set(options.tables))
    failures = tuple(entry["error"] for entry in entries if "error" in entry)
    heads = sum(len(entry.get("heads", [])) for entry in entries)
    job.reporter.done(
        f"{counted(heads, 'head')} in {counted(len(photos) - len(failures), 'picture')}, {len(failures)} failed; "
        f"results in {job.folder}/"
    )
    without = 0 if boxes is None else sum(own is None for own in boxes)
    if without:
        job.reporter.note(f"{counted(without, 'picture')} without an entry in the boxes that were given")
    return PhotosDone(len(photos), heads, failures)


def _pictures(
    photos: Sequence[Photo], boxes: Sequence[Boxes | None] | None, folder: PredictionFolder, job: Job
) -> Iterator[tuple[_Told, Image | Exception]]:
    """The photos that are to do, decoded one after the other as they are asked for."""
    for number, photo in enumerate(photos):
        if str(photo) not in folder.done:
            job.interruption.check()
            # Looked at before it is read: one that changes meanwhile is seen to have changed.
            identity = identity_of(photo) if isinstance(photo, Path) else {}
            yield (photo, identity, None if boxes is None else boxes[number]), outcome(load_photo, photo)


def _entries(
    batch: Sequence[tuple[_Told, Image | Exception]], job: Job
) -> Iterator[tuple[dict[str, Any], Image | None, list[Image]]]:
    """Entry, drawing and crops of each photo; one that fails becomes an entry with its error, and no picture."""
    for (photo, identity, _), image, heads in each_together(lambda some: _estimate(some, job), batch):
        done: Any = heads
        if not isinstance(heads, Exception) and not isinstance(image, Exception):
            done = outcome(lambda pair: (job.options.drawing(*pair), job.options.cut_out(*pair)), (image, heads))
            if not isinstance(done, Exception):
                height, width = image.shape[:2]
                written = [{"head": i, **head} for i, head in enumerate(heads.to_dict(job.options.euler), 1)]
                yield {"file": str(photo), **identity, "width": width, "height": height, "heads": written}, *done
                continue
        yield {"file": str(photo), "error": _message(photo, done)}, None, []


def _message(photo: Photo, error: Exception) -> str:
    text = str(error) if isinstance(error, SemiUHPEError) else f"{type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line if str(photo) in line else f"{photo}: {line}"


def _estimate(batch: Sequence[tuple[_Told, Image]], job: Job) -> list[HeadPoses]:
    images = [image for _, image in batch]
    if job.options.crops:
        return list(job.estimator.estimate_crops(images))
    if job.options.boxes is None:
        return job.estimator.estimate_batch(images)
    return job.estimator.estimate_batch(images, [_scored(boxes) for (_, _, boxes), _ in batch])


def _scored(boxes: Boxes | None) -> NDArray[np.float64]:
    """Boxes with their scores, (n, 5); none for a photo that is not named."""
    return np.zeros((0, 5)) if boxes is None else np.column_stack(boxes)
