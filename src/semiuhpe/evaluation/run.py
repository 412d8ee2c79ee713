"""One evaluation from end to end: heads of a store, a model, a protocol; out come figures and what a report needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semiuhpe.evaluation.benchmarks import Protocol
from semiuhpe.evaluation.labels import Heads, Kind, Labels, choose, labels_of
from semiuhpe.evaluation.predictions import PoseModel, Predictions, predict, scatter
from semiuhpe.evaluation.summaries import head_errors_deg
from semiuhpe.geometry import boxes as box_math
from semiuhpe.geometry.crop import MARGIN, Image

Float = NDArray[np.float64]

IOU = 0.5
"""A detection is of the labelled head from this overlap on."""

Detector = Callable[[Image], tuple[NDArray[Any], NDArray[Any]]]
"""Picture (H, W, 3) uint8 RGB → boxes (n, 4) and scores (n,): a `HeadDetector`, for one.

The picture of a stored head reaches as far as its context, so heads are looked for there and not in the whole photo.
"""


Progress = Callable[[Iterable[int]], Iterable[int]]
"""Wraps the numbers of heads that are gone through, to show how far it is."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one evaluation found.

    Attributes:
        results: the protocol's figures.
        labels: of n heads.
        predictions: of n heads.
        kind: what is labelled.
        measured: (n,) bool, heads that are labelled, kept by some subset and found.
        numbers: (n,) int64, number of each in `heads`.
        heads: where they are from.
    """

    results: dict[str, Any]
    labels: Labels
    predictions: Predictions
    kind: Kind
    measured: NDArray[np.bool_]
    numbers: NDArray[np.int64]
    heads: Heads

    @property
    def errors_deg(self) -> NDArray[np.float64]:
        """Errors of the measured heads, degrees: geodesic, of the direction or of the azimuth."""
        return head_errors_deg(self.labels[self.measured], self.predictions[self.measured], self.kind)


def predict_heads(
    model: PoseModel,
    heads: Heads,
    numbers: Iterable[int],
    *,
    detector: Detector | None = None,
    iou: float = IOU,
    batch_size: int = 64,
    margin: float = MARGIN,
) -> Predictions:
    """Predict poses of some heads, by their labelled boxes, or by a detector's that match these.

    Errors of a store pass through.

    Args:
        model: the model.
        heads: a store.
        numbers: of the heads.
        detector: None = boxes as labelled.
        iou: overlap from which a detection is of the labelled head.
        batch_size: crops in one pass of the model.
        margin: crop side over head box side.

    Returns:
        Poses, in the order of the numbers.
    """
    if detector is None:
        return predict(model, _pictures(heads, numbers), batch_size=batch_size, margin=margin)
    boxes: list[tuple[int, NDArray[np.float64] | None]] = [
        (number, best_match(detector(heads.image(number))[0], heads.record(number).box, iou)) for number in numbers
    ]
    found = np.array([box is not None for _, box in boxes], dtype=bool)
    pairs = ((heads.image(number), box) for number, box in boxes if box is not None)
    return scatter(found, predict(model, pairs, batch_size=batch_size, margin=margin))


def evaluate(
    protocol: Protocol,
    model: PoseModel,
    heads: Heads,
    *,
    split: str = "",
    limit: int = 0,
    detector: Detector | None = None,
    iou: float = IOU,
    batch_size: int = 64,
    margin: float = MARGIN,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model by a protocol.

    Args:
        protocol: which heads, labels and figures.
        model: the model.
        heads: a store.
        split: of the records, "" = the protocol's.
        limit: heads at most, evenly spread (0 = all).
        detector: boxes come from it instead of from the labels.
        iou: overlap from which a detection is of the labelled head.
        batch_size: crops in one pass of the model.
        margin: crop side over head box side.
        progress: wraps the numbers of heads that are gone through.

    Returns:
        Figures, and what a report needs.

    Raises:
        StoreError: the store has no such heads or labels.
    """
    official = "" if split else protocol.official_split
    numbers = choose(heads, split or protocol.split, limit, official=official)
    labels = labels_of([heads.record(n) for n in numbers])
    protocol.usable(labels)  # a store without the labels fails now, not after the last head
    predictions = predict_heads(
        model,
        heads,
        numbers if progress is None else progress(numbers),
        detector=detector,
        iou=iou,
        batch_size=batch_size,
        margin=margin,
    )
    measured = protocol.widest(labels) & predictions.found
    results = protocol(labels, predictions)
    return Evaluation(
        results, labels, predictions, protocol.kind_of(labels), measured, np.array(numbers, np.int64), heads
    )


def _pictures(heads: Heads, numbers: Iterable[int]) -> Iterator[tuple[Image, ArrayLike]]:
    for number in numbers:
        yield heads.image(number), heads.record(number).box


def best_match(boxes: ArrayLike, label: ArrayLike, iou: float = IOU) -> Float | None:
    """The box that overlaps the labelled one most.

    Args:
        boxes: (n, 4) x1, y1, x2, y2 pixels.
        label: (4,) x1, y1, x2, y2 pixels.
        iou: the least overlap.

    Returns:
        (4,), or None if no box reaches `iou`.
    """
    found = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    overlap = box_math.iou(found, np.asarray(label, dtype=np.float64)[None])[:, 0]
    if not len(found) or overlap.max() < iou:
        return None
    return np.asarray(found[int(overlap.argmax())])
