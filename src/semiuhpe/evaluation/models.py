"""Weights of this package as a `PoseModel`: an exported ONNX file, or, where torch is there, a training's checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.errors import MissingExtraError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.evaluation.calibration import radius_50_deg
from semiuhpe.evaluation.predictions import PoseModel, Predictions, StatedErrors, Student
from semiuhpe.geometry.crop import Image
from semiuhpe.poses.head_poses import HeadPoses


class ExportedModel:
    """Poses by `HeadPoseEstimator`, so what is measured is what users run. Arguments and errors are its own."""

    def __init__(
        self,
        weights: str | os.PathLike[str] = "default",
        *,
        device: str = "auto",
        mirrored: bool | None = None,
        threads: int | None = None,
        batch_size: int = 64,
    ) -> None:
        self.estimator = HeadPoseEstimator(
            weights, device=device, mirrored=mirrored, threads=threads, batch_size=batch_size
        )
        self.size = self.estimator.size
        file = self.estimator.weights
        self.description: dict[str, Any] = {
            "weights": str(weights),
            "sha256": file.sha256,
            "mirrored": self.estimator.mirrored,
            "crop_pixels": self.size,
        }

    def __call__(self, crops: Image) -> Predictions:
        """Poses of crops (n, size, size, 3) uint8 RGB."""
        return with_radius_50(self.estimator.estimate_crops(crops), self.estimator.weights.card)


def with_radius_50(heads: HeadPoses, card: dict[str, Any]) -> Predictions:
    """Predictions of what inference answered, with the 50 % radius that the model card adds."""
    half = radius_50_deg(card, heads.entropy, heads.expected_error_deg)
    stated = StatedErrors(heads.entropy, heads.expected_error_deg, half, heads.error_90_deg)
    return Predictions(heads.rotation, np.ones(len(heads), bool), stated)


def open_model(
    weights: str | os.PathLike[str],
    *,
    student: Student = "averaged",
    device: str = "auto",
    mirrored: bool | None = None,
    threads: int | None = None,
    batch_size: int = 64,
) -> PoseModel:
    """Open weights of this package as a model that can be evaluated.

    Args:
        weights: a name ("default", "open"), an .onnx with its card, a run folder or a .safetensors of one.
        student: of a run, which weights.
        device: as of `HeadPoseEstimator`.
        mirrored: as of `HeadPoseEstimator`.
        threads: as of `HeadPoseEstimator`.
        batch_size: as of `HeadPoseEstimator`; for exported weights.

    Returns:
        The model: crops (n, size, size, 3) uint8 RGB → `Predictions`.

    Raises:
        WeightsError: what is none of these.
        MissingExtraError: a run is to be opened without torch.
    """
    path = Path(weights)
    if path.is_dir() or path.suffix == ".safetensors":
        try:
            from semiuhpe.evaluation.trained_model import TrainedModel
        except ImportError as error:
            raise MissingExtraError(f"{path}: opening a training's weights", "train") from error
        return TrainedModel(path, student=student, device=device, mirrored=mirrored, threads=threads)
    if student != "averaged":
        raise WeightsError(
            f"{weights}: only a run folder or its last.safetensors has {student} weights; leave --student out"
        )
    return ExportedModel(weights, device=device, mirrored=mirrored, threads=threads, batch_size=batch_size)
