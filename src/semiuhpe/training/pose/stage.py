"""The stages of a training: labelled heads alone, then unlabelled ones too; what a step needs to know of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from semiuhpe.distributions.base import RotationDistribution
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.distributions.rotation_laplace import RotationLaplace
from semiuhpe.training.pose.recipe import LossRecipe, Recipe, SemiSupervisedRecipe

DISTRIBUTIONS: dict[str, type[RotationDistribution]] = {
    "matrix_fisher": MatrixFisher,
    "rotation_laplace": RotationLaplace,
}
"""The names of a recipe's `loss.distribution`."""


@dataclass(frozen=True)
class Stage:
    """The steps `first`, …, `end − 1`, and what they have in common.

    Attributes:
        first: the first step.
        end: the step after the last.
        loss: what is minimized.
        lr_ratio: factor on the learning rate.
        ema_decay: of the averaged weights (EMA).
        semi: how unlabelled heads are learnt from; None in a stage of labelled heads alone.
    """

    first: int
    end: int
    loss: LossRecipe
    lr_ratio: float = 1.0
    ema_decay: float = 0.998
    semi: SemiSupervisedRecipe | None = None

    def estimates_at(self, step: int) -> bool:
        """Whether a dynamic threshold is estimated anew before a step.

        Args:
            step: number of the step.

        Returns:
            Whether it is.
        """
        if self.semi is None or self.semi.threshold_kind != "dynamic":
            return False
        return (step - self.first) % self.semi.stage_steps == 0

    def ssl_weight(self, step: int) -> float:
        """λ of a step, the weight of the unsupervised loss: `ssl_lambda`, after it has grown for `lambda_ramp_steps`.

        Args:
            step: number of the step.

        Returns:
            λ.
        """
        grown = (step - self.first + 1) / max(1, self.loss.lambda_ramp_steps)
        return self.loss.ssl_lambda * min(1.0, grown)

    def supervised(self, parameter: Tensor, target: Tensor) -> Tensor:
        """The negative log-likelihood of each label, or its mean over the belief that the label is.

        For a label with noise the loss is `ω·log c − tr(AᵀE[R])`.

        Args:
            parameter: (n, 3, 3) of the student, camera←head.
            target: (n, 3, 3) camera←head: the rotation, or for a label with noise `E[R]` of its belief (see
                `semiuhpe.training.pose.label_noise`). The rotation Laplace distribution takes rotations alone.

        Returns:
            (n,) nats.
        """
        return DISTRIBUTIONS[self.loss.distribution](parameter).nll(target, self.loss.overreg)

    def unsupervised(self, parameter: Tensor, target: MatrixFisher) -> Tensor:
        """The loss of each unlabelled head.

        "ce" is the cross-entropy with the whole belief; "nll" takes its mode as a label of the supervised loss.

        Args:
            parameter: (n, 3, 3) of the student, camera←head.
            target: what the teacher believes of the n heads.

        Returns:
            (n,) nats.
        """
        if self.loss.unsupervised == "nll":
            return self.supervised(parameter, target.mode)
        return target.cross_entropy(MatrixFisher(parameter))


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe, one or two, which cover all of its steps.

    Args:
        recipe: of the training.

    Returns:
        The stages, in order.
    """
    loss, ema, semi = recipe.loss, recipe.ema, recipe.semi
    if semi is None:
        return (Stage(0, recipe.steps, loss, ema_decay=ema.decay),)
    second = Stage(semi.stage1_steps, recipe.steps, loss, semi.stage2_lr_ratio, ema.teacher_decay, semi)
    first = Stage(0, semi.stage1_steps, loss, ema_decay=ema.decay)
    return (first, second) if semi.stage1_steps else (second,)


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage of a step; after the last step of all, the last stage.

    Args:
        stages: all of them, in order.
        step: number of the step.

    Returns:
        The stage.
    """
    return next((stage for stage in stages if step < stage.end), stages[-1])
