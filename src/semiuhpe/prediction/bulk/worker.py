"""One worker of a bulk run: a unit in, one Parquet file with a row for each of its inputs out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow
from pyarrow import parquet

from semiuhpe.detection.detector import HeadDetector
from semiuhpe.errors import ImageError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.crop import Image
from semiuhpe.images.batches import BATCH, each_together
from semiuhpe.images.load import load_image
from semiuhpe.poses.exchange import csv_columns
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.prediction.bulk.attempts import Attempt, begin_attempt
from semiuhpe.prediction.bulk.plan import Item, Unit, read_unit
from semiuhpe.prediction.bulk.storage import Place


@dataclass(frozen=True)
class Settings:
    """What results depend on: networks by name or path, as `HeadPoseEstimator` and `HeadDetector` take them."""

    weights: str = "default"
    detector: str = "default"
    score: float | None = None
    mirrored: bool | None = None
    crops: bool = False
    euler: tuple[str, ...] = ("300w-lp",)
    device: str = "auto"
    threads: int = 1


def schema(euler: Sequence[str]) -> pyarrow.Schema:
    """One row an input: `heads` is a list with an entry a head, `error` is null or why there is none."""
    numbers = [(name, pyarrow.float64()) for name in csv_columns(euler)]
    return pyarrow.schema(
        [
            ("input", pyarrow.string()),
            ("width", pyarrow.int32()),
            ("height", pyarrow.int32()),
            ("error", pyarrow.string()),
            ("heads", pyarrow.list_(pyarrow.struct(numbers))),
        ]
    )


class Worker:
    """Opens the networks once, then does units. Raises WeightsError or InputError for settings that cannot be."""

    def __init__(self, settings: Settings, output: Place) -> None:
        self.settings, self.output = settings, output
        detector = None if settings.crops else _detector(settings)
        self.estimator = HeadPoseEstimator(
            settings.weights,
            device=settings.device,
            detector=detector,
            mirrored=settings.mirrored,
            threads=settings.threads,
        )

    def do(self, unit: Unit) -> dict[str, int]:
        """Do a unit and put its results in place. → how many inputs, heads and errors it has."""
        attempt = begin_attempt(self.output, unit.name)
        rows = list(self._rows(unit, attempt))
        table = pyarrow.Table.from_pylist(rows, schema(self.settings.euler))
        content = io.BytesIO()
        parquet.write_table(table, content, compression="zstd")
        self.output.at(unit.name).write(content.getvalue())
        attempt.ends()
        errors = sum(row["error"] is not None for row in rows)
        return {
            "unit": unit.number,
            "inputs": len(rows),
            "heads": sum(len(row["heads"]) for row in rows),
            "errors": errors,
        }

    def _rows(self, unit: Unit, attempt: Attempt) -> Iterator[dict[str, Any]]:
        condemned = attempt.condemned
        items = _readable(read_unit(unit), unit)
        if attempt.careful:
            for key, content in items:
                if key in condemned:
                    yield _failed(key, RuntimeError("ended the worker that read it, more than once"))
                    continue
                attempt.begins(key)
                yield from self._batch([_decode((key, content))])
            return
        # The next pictures are fetched and decoded while the networks look at these.
        with ThreadPoolExecutor(max(4, self.settings.threads)) as pool:
            decoded = pool.map(_decode, itertools.islice(items, BATCH))
            while batch := list(decoded):
                decoded = pool.map(_decode, itertools.islice(items, BATCH))
                yield from self._batch(batch)

    def _batch(self, pictures: Sequence[tuple[str, Image | Exception]]) -> Iterator[dict[str, Any]]:
        for key, image, answer in each_together(lambda some: self._estimate([image for _, image in some]), pictures):
            if isinstance(answer, Exception) or isinstance(image, Exception):
                yield _failed(key, answer)
                continue
            height, width = image.shape[:2]
            heads = answer.to_rows(self.settings.euler)
            yield {"input": key, "width": width, "height": height, "error": None, "heads": heads}

    def _estimate(self, images: Sequence[Image]) -> list[HeadPoses]:
        if self.settings.crops:
            return list(self.estimator.estimate_crops(images))
        return self.estimator.estimate_batch(images)


def _detector(settings: Settings) -> HeadDetector:
    options: dict[str, Any] = {} if settings.score is None else {"score_threshold": settings.score}
    return HeadDetector(settings.detector, device=settings.device, threads=settings.threads, **options)


def _readable(items: Iterator[Item], unit: Unit) -> Iterator[Item]:
    """The items; where the unit itself cannot be read on, an error in place of what would have followed."""
    try:
        yield from items
    except Exception as error:  # tarfile, pyarrow and storage raise classes of every kind
        yield f"{unit.paths[0]}#{unit.group}", error


def _decode(item: Item) -> tuple[str, Image | Exception]:
    key, content = item
    content = content() if callable(content) else content
    if isinstance(content, Exception):
        return key, content
    try:
        return key, load_image(content)
    except ImageError as error:
        return key, error


def _failed(key: str, error: Any) -> dict[str, Any]:
    reason = " ".join(str(error).split()) or type(error).__name__
    return {"input": key, "width": None, "height": None, "error": reason[:500], "heads": []}
