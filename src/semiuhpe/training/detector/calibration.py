"""Fits the curve from score to probability on validation photos and writes it into the detector's model card."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from semiuhpe.detection.average_precision import Detections, match, sizes
from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.score_calibration import IDENTITY, KEY, ScoreCalibration, features, sigmoid
from semiuhpe.detection.tiling import plan_views
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.sources.scut_head import AnnotatedPhoto
from semiuhpe.weights import card_path

Float = NDArray[np.float64]


def fit(scores: Float, box_sizes: Float, right: NDArray[np.bool_], ridge: float = 1e-3) -> ScoreCalibration:
    """Logistic regression by Newton's method. scores, box_sizes (n,), right (n,) bool; ridge: keeps it finite."""
    if len(scores) == 0:  # a detector that finds nothing has nothing to calibrate
        return IDENTITY
    return ScoreCalibration(*logistic(features(scores, box_sizes), right, np.array([0.0, 1.0, 0.0]), ridge))


def logistic(x: Float, right: NDArray[np.bool_], start: Float, ridge: float) -> list[float]:
    """Weights (k,) of a logistic regression by Newton's method. x: (n, k); ridge pulls towards `start` (k,), per row."""
    y, weight = right.astype(np.float64), start.copy()
    for _ in range(50):
        p = sigmoid(x @ weight)
        gradient = x.T @ (p - y) + ridge * len(y) * (weight - start)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + ridge * len(y) * np.eye(len(weight))
        step = np.linalg.solve(curvature, gradient)
        weight -= step
        if np.abs(step).max() < 1e-10:
            break
    return [float(v) for v in weight]


def collect(detector: HeadDetector, photos: Sequence[AnnotatedPhoto], smallest: float) -> tuple[Float, Float, Float]:
    """Every view's boxes of every photo: scores (n,), sizes in the view's pixels (n,), 1 right or 0 wrong (n,).

    As in the evaluation, what falls on a head smaller than `smallest` pixels of the photo is neither.
    """
    rows: list[Float] = []
    for photo in photos:
        image = photo.image()
        for view in plan_views(image.shape[0], image.shape[1], detector.max_side, detector.max_tiles):
            boxes, scores = detector.look(image, view)
            verdict, _ = match(Detections(boxes, scores), photo.boxes, 0.5, (smallest, float("inf")))
            rows.append(np.stack([scores, sizes(boxes) * view.scale, verdict], axis=1)[verdict >= 0])
    table = np.concatenate(rows)
    return table[:, 0], table[:, 1], table[:, 2]


def calibrate(
    path: str | os.PathLike[str], photos: Sequence[AnnotatedPhoto], smallest: float = 10.0
) -> ScoreCalibration:
    """Fit the calibration of exported weights on photos they were not trained on, and write it into their card."""
    detector = HeadDetector(path, score_threshold=0.03, calibration=IDENTITY)
    scores, box_sizes, right = collect(detector, photos, smallest)
    found = fit(scores, box_sizes, right > 0)
    card = {**detector.weights.card, KEY: asdict(found)}
    write_atomically(card_path(path), (json_text(card, indent=2, ensure_ascii=False) + "\n").encode())
    return found
