"""Average precision of a single-class detector, numpy only.

Protocol (as VOC 2010+ and COCO agree on it at one overlap): detections of all photos are ranked by score; each takes
the free head of its photo that it overlaps most, if the IoU is at least the threshold; precision is made monotone and
integrated over recall at every point. Heads outside the size band are ignored: detecting one is neither right nor
wrong, and so is an unmatched detection whose own size is outside the band (COCO's rule for bands).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semiuhpe.geometry import boxes as box_math

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Detections:
    """What a detector found in one photo. boxes: (n, 4). scores: (n,)."""

    boxes: Float
    scores: Float


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve in order of falling score. precision, recall, score: (k,). heads: how many there were to find."""

    precision: Float
    recall: Float
    score: Float
    heads: int

    @property
    def average_precision(self) -> float:
        """Area under the monotone curve in [0, 1]; NaN if there was no head."""
        if self.heads == 0:
            return float("nan")
        best_from_here = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(self.recall, prepend=0.0) * best_from_here))

    def at_score(self, score: float) -> tuple[float, float]:
        """Precision and recall of the detections that score at least `score`; precision is 1 where there are none."""
        count = int(np.sum(self.score >= score))
        return (1.0, 0.0) if count == 0 else (float(self.precision[count - 1]), float(self.recall[count - 1]))


def sizes(boxes: Float) -> Float:
    """Size of each box (n, 4): the square root of its area, pixels. → (n,)"""
    return np.sqrt(box_math.area(boxes))


def match(
    found: Detections, heads: Float, iou_threshold: float, band: tuple[float, float]
) -> tuple[NDArray[np.int8], int]:
    """Judge one photo's detections. → verdicts (n,) in the order given: 1 right, 0 wrong, −1 ignored; heads to find.

    A detection prefers heads of the band; only if it overlaps none of them enough may it fall on an ignored head.
    """
    counted = (sizes(heads) >= band[0]) & (sizes(heads) < band[1])
    overlap = box_math.iou(found.boxes, heads)
    taken = np.zeros(len(heads), dtype=bool)
    verdict = np.zeros(len(found.boxes), dtype=np.int8)
    own = sizes(found.boxes)
    for index in np.argsort(-found.scores, kind="stable"):
        candidates = np.where(counted & ~taken, overlap[index], -1.0)
        if len(heads) and candidates.max() >= iou_threshold:
            taken[int(candidates.argmax())] = True
            verdict[index] = 1
        elif np.any(overlap[index, ~counted] >= iou_threshold) or not band[0] <= own[index] < band[1]:
            verdict[index] = -1
    return verdict, int(counted.sum())


def precision_recall(
    found: Sequence[Detections],
    heads: Sequence[Float],
    iou_threshold: float = 0.5,
    band: tuple[float, float] = (0.0, float("inf")),
) -> PrecisionRecall:
    """The curve over photos. found, heads: one entry a photo; heads (n, 4). band: sizes from, below.

    Raises ValueError if there are not as many entries of one as of the other.
    """
    if len(found) != len(heads):
        raise ValueError(f"found and heads are one entry a photo each, got {len(found)} and {len(heads)}")
    judged = [
        match(f, np.asarray(h, dtype=np.float64).reshape(-1, 4), iou_threshold, band)
        for f, h in zip(found, heads, strict=True)
    ]
    verdict = np.concatenate([v for v, _ in judged]) if judged else np.zeros(0, np.int8)
    score = np.concatenate([f.scores for f in found]) if found else np.zeros(0)
    order = np.argsort(-score, kind="stable")
    order = order[verdict[order] >= 0]
    right = np.cumsum(verdict[order] == 1)
    total = sum(count for _, count in judged)
    return PrecisionRecall(
        precision=right / np.arange(1, len(order) + 1), recall=right / max(total, 1), score=score[order], heads=total
    )
