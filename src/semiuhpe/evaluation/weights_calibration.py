"""Calibration: honest error bars for weights, fitted on heads of known pose, written into the file and its card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.arrays import evenly_spread
from semiuhpe.errors import StoreError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation.calibration import aurc, coverage, fit_calibration
from semiuhpe.evaluation.metrics import geodesic_errors_deg
from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.geometry.rotation import Float, rotation_of_vector
from semiuhpe.heads.record import LABEL_SIGMA
from semiuhpe.heads.store import HeadStore
from semiuhpe.poses.error_bars import KEY, ErrorModel
from semiuhpe.poses.head_poses import HeadPoses
from semiuhpe.weights import card_path
from semiuhpe.weights.graph_metadata import with_metadata

LEAST = 200


@dataclass(frozen=True)
class WeightsCalibration:
    """What a calibration found.

    Attributes:
        card: the model card's path.
        heads: on how many it is fitted.
        mean_error_deg: of these, degrees.
        coverage_before: share of heads within their 90 % radius before.
        coverage_now: share of heads within their 90 % radius now.
        aurc_deg: area under the risk-coverage curve, degrees.
    """

    card: Path
    heads: int
    mean_error_deg: float
    coverage_before: float
    coverage_now: float
    aurc_deg: float


def calibrate_weights(
    weights: str | os.PathLike[str],
    stores: Sequence[str | os.PathLike[str]],
    *,
    split: str = "val",
    limit: int = 0,
    sigma_scale: float = 1.0,
    mirrored: bool | None = None,
) -> WeightsCalibration:
    """Fit what turns a belief into an expected error and a 90 % radius, and write it into the weights and their card.

    An error is measured against the truth, of which a noisy label is a draw: each label is turned by a draw of its
    noise, for an estimate that agrees with a label is as far from the truth as the label.

    Args:
        weights: an .onnx with its card, both are replaced.
        stores: of heads with rotations that were not trained on.
        split: which of them.
        limit: heads of each store at most, evenly spread (0 = all).
        sigma_scale: factor on the noise that a store states of its labels (`label_sigma_deg`).
        mirrored: estimate mirror images too, from now on and by default; None = as the card says.

    Returns:
        What was found.

    Raises:
        StoreError: stores without enough labelled heads.
        WeightsError: weights that cannot be opened.
    """
    path = Path(weights)
    estimator = HeadPoseEstimator(path, mirrored=mirrored)
    parts: list[HeadPoses] = []
    labels: list[Float] = []
    used = []
    for store in map(Path, stores):
        found, known = _estimated(estimator, HeadStore(store), split, limit, sigma_scale)
        parts += found
        labels += known
        used.append({"source": store.name, "split": split, "heads": len(known), "sigma_scale": sigma_scale})
    if len(labels) < LEAST:
        raise StoreError(f"{len(labels)} labelled heads in split {split!r}; a calibration needs at least {LEAST}")
    heads = HeadPoses.concatenate(parts)
    errors = geodesic_errors_deg(heads.rotation, np.stack(labels))
    card = dict(estimator.weights.card)
    card["mirrored"] = estimator.mirrored
    card[KEY] = {**fit_calibration(heads.entropy, errors), "fitted_on": used}
    _write(path, estimator.weights.content, card)
    radius = np.interp(heads.entropy, card[KEY]["entropy"], card[KEY]["error_90_deg"])
    return WeightsCalibration(
        card_path(path),
        len(errors),
        float(errors.mean()),
        coverage(errors, heads.error_90_deg),
        coverage(errors, radius),
        aurc(errors, heads.entropy),
    )


def _estimated(
    estimator: HeadPoseEstimator, store: HeadStore, split: str, limit: int, sigma_scale: float
) -> tuple[list[HeadPoses], list[Float]]:
    """Estimates of labelled heads of a store, and draws of the truth by their labels."""
    chosen = [i for i, record in enumerate(store) if record.split == split and record.rotation is not None]
    chosen = [chosen[i] for i in evenly_spread(len(chosen), limit)]
    heads = [estimator.estimate(store.image(i), [store.record(i).box]) for i in chosen]
    sigmas_deg = [float(store.record(i).extras.get(LABEL_SIGMA) or 0.0) * sigma_scale for i in chosen]
    labels = np.reshape([store.rotations[i] for i in chosen], (-1, 3, 3))
    return heads, list(drawn_truths(labels, np.array(sigmas_deg)))


def drawn_truths(labels: Float, sigmas_deg: Float) -> Float:
    """Labels, each turned about a random axis by a random angle whose root mean square is its sigma.

    Normal in the rotation vector, sigma / √3 for each axis; of sigma 0 the label itself. The same draws for the same
    input.

    Args:
        labels: (n, 3, 3) camera←head.
        sigmas_deg: (n,) degrees.

    Returns:
        (n, 3, 3) camera←head.
    """
    vectors = np.random.default_rng(0).normal(size=(len(labels), 3)) * np.radians(sigmas_deg)[:, None] / np.sqrt(3)
    return np.asarray(labels @ rotation_of_vector(vectors))


def _write(path: Path, content: bytes, card: dict[str, Any]) -> None:
    ErrorModel(card)  # a card that inference would refuse is not written
    calibrated = with_metadata(content, {KEY: json_text(card[KEY])})
    card["sha256"] = hashlib.sha256(calibrated).hexdigest()
    write_atomically(path, calibrated)
    write_atomically(card_path(path), (json_text(card, indent=2) + "\n").encode())
