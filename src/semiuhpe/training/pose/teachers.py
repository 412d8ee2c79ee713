"""The teachers whose pseudo-labels the student learns: the running average of its weights (EMA), fixed ones, or both.

A teacher may look at a head more than once: at its mirror image, at a second weak crop. What it believes is the mean of
its answers' parameters (densities multiplied, and brought back to the sharpness of one); how far the answers are apart
says whether it can be trusted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semiuhpe.distributions.base import mirrored_matrix
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.errors import WeightsError
from semiuhpe.models.export import image_size_of, network_of
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.recipe import SemiSupervisedRecipe
from semiuhpe.weights import open_weights
from semiuhpe.weights.session import open_on_cpu

Precision = Callable[[], AbstractContextManager[object]]
Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Look:
    """One weak view that a teacher takes of a head. crop: which of the weak crops. size: pixels a side."""

    crop: int
    size: int


def weak_looks(settings: SemiSupervisedRecipe, size: int, fixed_size: int = 0) -> list[Look]:
    """What is drawn of every head for its teachers: the looks of the running average, then those of the fixed weights.

    size: pixels that the student sees. fixed_size: pixels that the fixed weights see, 0 where there are none.
    """
    sizes = [size] if not fixed_size else [size, fixed_size] if settings.two_teachers else [fixed_size]
    return [Look(crop, side) for side in sizes for crop in range(settings.teacher_crops)]


@dataclass(frozen=True)
class TeacherAnswer:
    """What teachers say about n heads.

    Attributes:
        belief: what is to be learnt.
        apart: (n,) radians between the two answers that differ most.
    """

    belief: MatrixFisher
    apart: Tensor

    def agrees(self, limit_deg: float) -> Tensor:
        """Which heads have answers no further apart than a limit.

        Args:
            limit_deg: degrees; all heads agree where it is 0.

        Returns:
            (n,) bool.
        """
        return self.apart <= (math.radians(limit_deg) if limit_deg else math.inf)


class Teachers:
    """The teachers of a second stage.

    Its attribute fixed_size is pixels that the fixed weights see, 0 where there are none.

    Args:
        settings: of the second stage.
        precision: makes the context in which networks run; beliefs are float32 always.
        device: of fixed weights from a run; None = the CPU.
        threads: of fixed weights by onnxruntime.

    Raises:
        WeightsError: weights that cannot be read.
    """

    def __init__(
        self,
        settings: SemiSupervisedRecipe,
        precision: Precision = nullcontext,
        *,
        device: torch.device | None = None,
        threads: int | None = None,
    ) -> None:
        self.settings, self.precision = settings, precision
        self._fixed: Network | None = None
        self.fixed_size = 0
        if settings.teacher_weights:
            self._fixed, self.fixed_size = fixed_network(settings.teacher_weights, device, threads)

    @torch.no_grad()
    def ask(self, average: PoseNet, looks: Sequence[Tensor]) -> TeacherAnswer:
        """Ask the teachers about n heads, without a gradient.

        Args:
            average: the running average, in evaluation mode.
            looks: (n, S, S, 3) uint8 each, of `weak_looks`.

        Returns:
            Their belief.

        Raises:
            ValueError: an average in training mode.
        """
        if average.training:
            raise ValueError("the teacher must be in evaluation mode")
        crops, settings = self.settings.teacher_crops, self.settings
        if self._fixed is None:
            answers = self._answers(average, looks)
            return _answer(answers, answers.mean(0), settings)
        own = self._answers(self._fixed, looks[-crops:])
        if not settings.two_teachers:
            return _answer(own, own.mean(0), settings)
        averaged = self._answers(average, looks[:crops])
        mixed = torch.lerp(averaged.mean(0), own.mean(0), settings.teacher_weights_share)
        return _answer(torch.cat([averaged, own]), mixed, settings)

    def _answers(self, network: Network, looks: Sequence[Tensor]) -> Tensor:
        """Parameters that a network states of each look, and of its mirror image mirrored back. → (answers, n, 3, 3)."""
        mirrored = self.settings.teacher_mirror
        views = [*looks, *(look.flip(2) for look in looks)] if mirrored else list(looks)
        with self.precision():
            parameter = network(torch.cat(views)).float()
        answers = parameter.reshape(len(views), -1, 3, 3)
        if not mirrored:
            return answers
        return torch.cat([answers[: len(looks)], mirrored_matrix(answers[len(looks) :])])


def _answer(answers: Tensor, mean: Tensor, settings: SemiSupervisedRecipe) -> TeacherAnswer:
    """The distances are computed only where a recipe asks for them."""
    apart = largest_angle(answers) if settings.agreement_deg else torch.zeros(len(mean), device=mean.device)
    return TeacherAnswer(MatrixFisher(mean), apart)


def largest_angle(answers: Tensor) -> Tensor:
    """The largest angle between the modes of any two answers. (answers, n, 3, 3) → (n,) radians."""
    modes = MatrixFisher(answers).mode
    apart = torch.zeros(answers.shape[1], dtype=modes.dtype, device=modes.device)
    for first, second in itertools.combinations(modes, 2):
        sine = torch.linalg.matrix_norm(first - second) / math.sqrt(8.0)  # ‖R1 − R2‖_F = 2√2·sin ½θ
        apart = torch.maximum(apart, 2.0 * torch.arcsin(sine.clamp(max=1.0)))
    return apart


def fixed_network(weights: str, device: torch.device | None = None, threads: int | None = None) -> tuple[Network, int]:
    """Weights that only answer, (n, S, S, 3) uint8 → (n, 3, 3) parameters, and S.

    weights: a .safetensors of a run (its averaged weights, on `device`), an exported .onnx with its card, or a name of
    embedded weights (by onnxruntime, on the processor).
    """
    if weights.endswith(".safetensors"):
        path = Path(weights)
        network, _ = network_of(path)
        return network.requires_grad_(False).to(device or torch.device("cpu")), image_size_of(path)
    file = open_weights(weights)
    session = open_on_cpu(file.content, file.path, threads)
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or not isinstance(shape[1], int) or session.get_inputs()[0].type != "tensor(uint8)":
        raise WeightsError(
            f"{file.path}: not a pose network (input (n, S, S, 3) uint8); export one with: semiuhpe export"
        )
    name = session.get_inputs()[0].name

    def answer(images: Tensor) -> Tensor:
        (parameter,) = session.run(None, {name: np.ascontiguousarray(images.cpu().numpy())})
        return torch.from_numpy(np.asarray(parameter, np.float32)).reshape(-1, 3, 3).to(images.device)

    return answer, int(shape[1])
