"""The weights of a training, before any export, as a `PoseModel`. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from semiuhpe.errors import DeviceError
from semiuhpe.evaluation.calibration import radius_50_deg
from semiuhpe.evaluation.predictions import Float, Predictions, StatedErrors, Student, mirrored_crops
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import mirror, project_to_rotation
from semiuhpe.models.checkpoint import BEST, LAST
from semiuhpe.models.export import network_of
from semiuhpe.poses.error_bars import ErrorModel
from semiuhpe.weights.devices import card_number, usable_threads


class TrainedModel:
    """A run's network in evaluation mode.

    path: a run folder (its best averaged weights, or for student="current" those of its last checkpoint) or a
    .safetensors file of one. Error bars follow from the belief alone, as of an export that was not calibrated.
    Raises WeightsError where the weights are missing, damaged or do not fit.
    """

    def __init__(
        self,
        path: Path,
        *,
        student: Student = "averaged",
        device: str = "auto",
        mirrored: bool | None = None,
        threads: int | None = None,
    ) -> None:
        checkpoint = path / (LAST if student == "current" else BEST) if path.is_dir() else path
        where = _torch_device(device)
        if threads is not None:
            torch.set_num_threads(usable_threads(threads))
        network, state = network_of(checkpoint, student)
        self._device = where
        self._network = network.to(where)
        self._card = {"overreg": state["recipe"]["loss"]["overreg"]}
        self._error = ErrorModel(self._card)
        self._mirrored = bool(mirrored)
        self.size = int(state["recipe"]["model"]["image_size"])
        self.description: dict[str, Any] = {
            "weights": str(checkpoint),
            "student": student,
            "step": state.get("step"),
            "mirrored": self._mirrored,
            "crop_pixels": self.size,
        }

    def __call__(self, crops: Image) -> Predictions:
        """Poses of crops (n, size, size, 3) uint8 RGB."""
        belief = self._belief(crops)
        if self._mirrored:
            belief = (belief + mirror(self._belief(mirrored_crops(crops)))) / 2
        finite = np.asarray(np.isfinite(belief).all(axis=(1, 2)))
        bars = self._error(belief)
        half = radius_50_deg(self._card, bars.entropy, bars.expected_error_deg)
        rotation = project_to_rotation(np.where(finite[:, None, None], belief, np.eye(3)))
        stated = StatedErrors(bars.entropy, bars.expected_error_deg, half, bars.error_90_deg)
        return Predictions(rotation, np.ones(len(rotation), bool), stated)

    @torch.no_grad()
    def _belief(self, crops: Image) -> Float:
        parameter = self._network(torch.from_numpy(np.ascontiguousarray(crops)).to(self._device))
        return np.asarray(parameter.double().cpu().numpy()).reshape(-1, 3, 3)


def _torch_device(device: str) -> torch.device:
    """PyTorch's device of a name. Raises DeviceError for one that is unknown or not there."""
    number, there = card_number(device), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number is not None and number >= there:
        raise DeviceError(f"device {device!r} needs {number + 1} CUDA cards and a torch built for them; choose 'cpu'")
    return torch.device("cpu" if device == "cpu" or not there else f"cuda:{number or 0}")
