"""Fits how the pose network's answer counts in whether a box is a head's, and from which probability a head is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.average_precision import Detections, match, sizes
from semiuhpe.detection.detector import SCORE_THRESHOLD, HeadDetector
from semiuhpe.detection.head_probability import KEY, HeadProbability, features
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.sources.scut_head import AnnotatedPhoto
from semiuhpe.training.detector.calibration import logistic
from semiuhpe.weights import card_path

Float = NDArray[np.float64]

CANDIDATES = 0.2
"""Detector's probability from which the pose network is asked: below it hardly a box becomes a head."""

PRECISION, OF_SIZE, IOU = 0.95, 16.0, 0.5
"""The rule of the threshold: the lowest one from which this share of boxes of at least so many pixels are heads' boxes."""

RULE_KEY = "head_probability_rule"
"""Of the model card: the rule of the threshold, in words."""


def fit(
    scores: Float, box_sizes: Float, errors_deg: Float, right: NDArray[np.bool_], ridge: float = 1e-3
) -> HeadProbability:
    """Logistic regression of `right` (n,) on scores, sizes in pixels of the photo and stated errors, each (n,).

    Where a better score does not mean more heads, as of a detector that has learnt nothing, the score stays what it is.
    """
    alone = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    weights = logistic(features(scores, box_sizes, errors_deg), right, alone, ridge) if len(scores) else []
    if not weights or weights[1] <= 0:
        weights = alone.tolist()
    return HeadProbability(*[*weights, CANDIDATES, SCORE_THRESHOLD])


def threshold_for(probability: Float, right: NDArray[np.bool_], precision: float = PRECISION) -> float:
    """The lowest threshold from which at least `precision` of the boxes are right; the highest of all if none does."""
    order = np.argsort(-probability, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= precision)
    return float(probability[order[good[-1]]]) if len(good) else float(probability.max(initial=1.0))


def collect(
    estimator: HeadPoseEstimator,
    photos: Sequence[AnnotatedPhoto],
    smallest: float = 10.0,
    report: Callable[[], object] = lambda: None,
) -> Float:
    """Every candidate: score, size, stated error in degrees, 1 right or 0 wrong. → (n, 4)

    As in the evaluation, what falls on a head smaller than `smallest` pixels is neither and left out.
    """
    rows: list[Float] = [np.zeros((0, 4))]
    for photo in photos:
        image = photo.image()
        ((boxes, scores),) = estimator.detector.candidates([image], CANDIDATES)  # type: ignore[attr-defined]
        heads = estimator.estimate(image, boxes, scores)
        verdict, _ = match(Detections(heads.box, heads.detection_score), photo.boxes, IOU, (smallest, float("inf")))
        table = np.stack([heads.detection_score, sizes(heads.box), heads.expected_error_deg, verdict], axis=1)
        rows.append(table[verdict >= 0])
        report()
    return np.concatenate(rows)


def settle(table: Float) -> HeadProbability:
    """The probability, with its threshold, that rows of `collect` give."""
    scores, box_sizes, errors_deg, right = table[:, 0], table[:, 1], table[:, 2], table[:, 3] > 0
    found = fit(scores, box_sizes, errors_deg, right)
    large = box_sizes >= OF_SIZE
    threshold = threshold_for(found(scores, box_sizes, errors_deg)[large], right[large])
    return replace(found, threshold=round(threshold, 3))


def rule(photos: int) -> str:
    """The rule of the threshold in words. photos: how many it was applied to."""
    return f"the lowest from which {PRECISION:.0%} of boxes of {OF_SIZE:g} pixels and more are right on {photos} validation photos"


def confirm(
    path: str | os.PathLike[str],
    photos: Sequence[AnnotatedPhoto],
    pose_weights: str | os.PathLike[str] = "default",
    threads: int | None = None,
    report: Callable[[], object] = lambda: None,
) -> HeadProbability:
    """Fit it on photos that neither network was trained on, and write it into the detector's card, beside those of others."""
    detector = HeadDetector(path, threads=threads)
    estimator = HeadPoseEstimator(pose_weights, detector=detector, threads=threads)
    found = settle(collect(estimator, photos, report=report))
    known = detector.weights.card.get(KEY, {})
    card = {
        **detector.weights.card,
        KEY: {**known, estimator.weights.sha256: asdict(found)},
        RULE_KEY: rule(len(photos)),
    }
    write_atomically(card_path(path), (json_text(card, indent=2, ensure_ascii=False) + "\n").encode())
    return found
