"""From labels and predictions to the figures of a table, one function for each kind of label.

All take labels and predictions of the same heads, every one of them labelled and found, and return JSON-ready dicts
(unrounded; NaN where there is no head).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from semiuhpe.evaluation import metrics
from semiuhpe.evaluation.calibration import aurc, coverage
from semiuhpe.evaluation.labels import Float, Groups, Kind, Labels
from semiuhpe.evaluation.predictions import Predictions
from semiuhpe.geometry.euler import euler_deg
from semiuhpe.geometry.rotation import facing_direction, from_azimuth_elevation_tilt


def head_errors_deg(labels: Labels, predictions: Predictions, kind: Kind) -> Float:
    """One error a head: geodesic, of the direction, or of the azimuth, by what is labelled. → (n,) degrees."""
    if kind == "rotation":
        return metrics.geodesic_errors_deg(predictions.rotation, labels.rotation)
    if kind == "direction":
        direction = facing_direction(from_azimuth_elevation_tilt(labels.azimuth, labels.elevation, 0.0))
        return metrics.direction_errors_deg(predictions.rotation, direction)
    return metrics.azimuth_errors_deg(predictions.rotation, labels.azimuth)


def rotation_measures(
    labels: Labels, predictions: Predictions, *, published_angles: str | None = None
) -> dict[str, Any]:
    """Everything there is to say where whole rotations are labelled.

    published_angles: the Euler convention in which the data set published its angles and its results are published:
    `euler_mae_deg` then compares the prediction's triple by it with those angles. None = both triples are taken from
    the rotations, by the convention of 300W-LP.
    """
    predicted, label, groups = predictions.rotation, labels.rotation, labels.subjects
    convention = published_angles or "300w-lp"
    label_angles = euler_deg(label, convention) if published_angles is None else labels.angles_deg
    euler_errors = metrics.euler_errors_deg(predicted, label_angles, convention)
    nearer = metrics.nearest_euler_errors_deg(predicted, label)
    geodesic = head_errors_deg(labels, predictions, "rotation")
    return {
        "geodesic": metrics.summary(geodesic, groups),
        "accuracy": metrics.accuracies(geodesic),
        "accuracy_95": metrics.accuracy_intervals(geodesic, groups),
        "euler_mae_deg": _named(euler_errors, ("pitch", "yaw", "roll"), groups),
        "euler_mae_nearer_triple_deg": _named(nearer, ("pitch", "yaw", "roll"), groups),
        "maev_deg": _named(metrics.basis_vector_errors_deg(predicted, label), ("right", "down", "into"), groups),
        **_mean_and_interval("frobenius", metrics.frobenius_errors(predicted, label), groups),
        "by_azimuth": by_azimuth(geodesic, labels.azimuth),
        **stated_error_measures(geodesic, predictions, about_rotation=True),
    }


def frame_aligned_measures(
    labels: Labels, predictions: Predictions, *, published_angles: str | None = None
) -> dict[str, Any]:
    """`rotation_measures`, and the same again with one constant turn of the head's frame, fitted on these heads, removed."""
    offset = metrics.frame_offset(predictions.rotation, labels.rotation)
    turned = Predictions(predictions.rotation @ offset, predictions.found)
    angle = metrics.geodesic_errors_deg(offset, np.eye(3))
    return {
        **rotation_measures(labels, predictions, published_angles=published_angles),
        "frame_offset_deg": float(angle),
        "frame_aligned": rotation_measures(labels, turned, published_angles=published_angles),
    }


def direction_measures(labels: Labels, predictions: Predictions) -> dict[str, Any]:
    """Where azimuth and elevation are labelled but no tilt: the facing direction and its two angles."""
    direction = head_errors_deg(labels, predictions, "direction")
    rotation, groups = predictions.rotation, labels.subjects
    return {
        "direction": metrics.summary(direction, groups),
        "accuracy": metrics.accuracies(direction),
        "accuracy_95": metrics.accuracy_intervals(direction, groups),
        **_mean_and_interval("azimuth_mae_deg", metrics.azimuth_errors_deg(rotation, labels.azimuth), groups),
        **_mean_and_interval("elevation_mae_deg", metrics.elevation_errors_deg(rotation, labels.elevation), groups),
        "by_azimuth": by_azimuth(direction, labels.azimuth),
        **stated_error_measures(direction, predictions, about_rotation=False),
    }


def azimuth_measures(labels: Labels, predictions: Predictions) -> dict[str, Any]:
    """Where only a coarse azimuth is labelled: shares within 45°, of all heads, front ones and rear ones (beyond 90°)."""
    errors = head_errors_deg(labels, predictions, "azimuth")
    near, rear = errors <= 45, np.abs(labels.azimuth) > np.pi / 2
    groups = labels.subjects
    return {
        "azimuth": metrics.summary(errors, groups),
        **_mean_and_interval("within_45", near, groups),
        **_mean_and_interval("within_45_front", near[~rear], groups[~rear]),
        **_mean_and_interval("within_45_rear", near[rear], groups[rear]),
        "heads_front": int(np.sum(~rear)),
        "heads_rear": int(np.sum(rear)),
        **stated_error_measures(errors, predictions, about_rotation=False),
    }


def best_measures(labels: Labels, predictions: Predictions) -> dict[str, Any]:
    """The measures of the most that is known of these heads."""
    functions = {"rotation": rotation_measures, "direction": direction_measures, "azimuth": azimuth_measures}
    return functions[labels.best_kind()](labels, predictions)


def by_azimuth(errors: Float, azimuth: Float) -> dict[str, Any]:
    """Count, mean and median of errors (n,) by the band of the labelled azimuth (n,) radians."""
    bands = {}
    for name, inside in metrics.azimuth_bands(azimuth).items():
        found = errors[inside]
        median = float(np.median(found)) if len(found) else float("nan")
        bands[name] = {"n": len(found), "mean_deg": _mean(found), "median_deg": median}
    return bands


def stated_error_measures(errors: Float, predictions: Predictions, *, about_rotation: bool) -> dict[str, Any]:
    """Are the error bars honest, and do they sort the heads? {} for a model that states none.

    The radii are of the whole rotation, so their coverage is given only where the errors are too; the area under the
    risk-coverage curve needs no more than an order.
    """
    stated = predictions.stated
    if stated is None:
        return {}
    values = {"aurc_deg": aurc(errors, stated.entropy) if len(errors) else float("nan")}
    if about_rotation:
        values |= {
            "coverage_50": coverage(errors, stated.error_50_deg),
            "coverage_90": coverage(errors, stated.error_90_deg),
            "mean_expected_error_deg": _mean(stated.expected_error_deg),
        }
    return {"stated_errors": values}


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _mean_and_interval(name: str, values: Any, groups: Groups) -> dict[str, Any]:
    """A mean under its name, and its 95 % bootstrap interval by groups under `NAME_95`."""
    return {name: _mean(values), f"{name}_95": list(metrics.bootstrap_interval(values, groups=groups))}


def _named(errors: Float, names: tuple[str, str, str], groups: Groups) -> dict[str, Any]:
    """Means over heads of three errors (n, 3), and under "mean" their mean with its interval."""
    each = [_mean(column) for column in errors.T]
    interval = list(metrics.bootstrap_interval(errors.mean(axis=1), groups=groups))
    return {"mean": float(np.mean(each)), "mean_95": interval, **dict(zip(names, each, strict=True))}
