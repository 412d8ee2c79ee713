"""The networks that the options of `predict` name, and the settings that results depend on."""

from __future__ import annotations

from typing import Any

from semiuhpe.detection.detector import HeadDetector
from semiuhpe.detection.foreign import ForeignDetector
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.prediction.options import PredictOptions


def open_networks(options: PredictOptions) -> tuple[HeadPoseEstimator, dict[str, Any]]:
    """The estimator, and what results of photos and videos depend on, JSON-ready. Raises WeightsError, DeviceError."""
    detector = None
    settings: dict[str, Any] = {"heads": options.heads_from}
    if options.heads_from == "detected":
        detector = _detector(options)
        settings["detector_sha256"] = detector.weights.sha256
        if options.detector_side is not None:
            settings["detector_side"] = options.detector_side
    estimator = HeadPoseEstimator(
        options.weights, device=options.device, detector=detector, mirrored=options.mirrored, threads=options.threads
    )
    if detector is not None:
        curve = estimator.head_probability
        settings["score_threshold"] = detector.score_threshold if curve is None else curve.threshold
    if options.detector_layout is not None:
        settings |= {"detector_layout": options.detector_layout, "detector_class": options.detector_class}
    settings |= {
        "weights_sha256": estimator.weights.sha256,
        "mirrored": estimator.mirrored,
        "euler": list(options.euler),
    }
    return estimator, settings


def _detector(options: PredictOptions) -> HeadDetector | ForeignDetector:
    given: dict[str, Any] = {"device": options.device, "threads": options.threads}
    if options.score_threshold is not None:
        given["score_threshold"] = options.score_threshold
    if options.detector_layout is None:
        if options.detector_side is not None:
            given["max_side"] = options.detector_side
        return HeadDetector(options.detector or "default", **given)
    assert options.detector is not None  # the options see to that
    return ForeignDetector(
        options.detector,
        options.detector_layout,
        head_class=options.detector_class,
        side=options.detector_side,
        **given,
    )
