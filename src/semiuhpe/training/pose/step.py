"""One step of semi-supervised training: one page, as in the paper.

labelled heads → student → negative log-likelihood of the labels
weak view → teacher (evaluation mode) → belief → entropy filter → turned with the strong view → target
strong view → student → cross-entropy with the target, over the heads that were kept
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.training.pose.batches import LabeledBatch, UnlabeledBatch
from semiuhpe.training.pose.stage import Stage
from semiuhpe.training.pose.teachers import TeacherAnswer
from semiuhpe.training.pose.threshold import Threshold

Network = Callable[[Tensor], Tensor]
Teacher = Callable[[Sequence[Tensor]], TeacherAnswer]


@dataclass(frozen=True)
class Unsupervised:
    """What a step says of its unlabelled heads.

    Attributes:
        loss: L_u, a scalar; λ is not in it.
        student: (n, 3, 3) parameters about the strong views, camera←head.
        belief: the teachers', about the weak views.
        keep: (n,) bool, heads whose loss counts.
        threshold: by which they were kept.
        batch: the heads.
    """

    loss: Tensor
    student: Tensor
    belief: MatrixFisher
    keep: Tensor
    threshold: Threshold
    batch: UnlabeledBatch


@dataclass(frozen=True)
class StepLoss:
    """The loss of a step, and what it is made of.

    Attributes:
        total: what is differentiated, a scalar.
        supervised: its part of the labels, a scalar.
        student: (n, 3, 3) parameters about the labelled heads, camera←head.
        labeled: these heads.
        unsupervised: what there is about unlabelled ones, None in a stage without.
    """

    total: Tensor
    supervised: Tensor
    student: Tensor
    labeled: LabeledBatch
    unsupervised: Unsupervised | None = None


def step_loss(
    student: Network,
    teacher: Teacher,
    labeled: LabeledBatch,
    unlabeled: UnlabeledBatch | None,
    threshold: Callable[[MatrixFisher], Threshold],
    stage: Stage,
    step: int,
) -> StepLoss:
    """The loss of a step, `L = L_s + λ·L_u`.

    Source: SemiUHPE, arXiv:2404.02544.

    Args:
        student: images (n, S, S, 3) uint8 → (n, 3, 3) parameters.
        teacher: what it says of weak views, without a gradient.
        labeled: the labelled heads.
        unlabeled: the unlabelled ones; None in a stage of labelled heads alone.
        threshold: beliefs of the step → which entropies are kept.
        stage: the present one.
        step: number of the step, from 0.

    Returns:
        The loss and its parts.
    """
    parameter = student(labeled.images)
    supervised = stage.supervised(parameter, labeled.target).mean() * labeled.share
    if unlabeled is None:
        return StepLoss(supervised, supervised, parameter, labeled)
    taught = unsupervised_step(student, teacher, unlabeled, threshold, stage)
    total = supervised + stage.ssl_weight(step) * taught.loss
    return StepLoss(total, supervised, parameter, labeled, taught)


def unsupervised_step(
    student: Network,
    teacher: Teacher,
    unlabeled: UnlabeledBatch,
    threshold: Callable[[MatrixFisher], Threshold],
    stage: Stage,
) -> Unsupervised:
    """What the student learns from unlabelled heads; λ is not in the loss.

    Args:
        student: images (n, S, S, 3) uint8 → (n, 3, 3) parameters.
        teacher: what it says of weak views, without a gradient.
        unlabeled: the unlabelled heads.
        threshold: beliefs of the step → which entropies are kept.
        stage: the present one.

    Returns:
        L_u and its parts.

    Raises:
        ValueError: the stage has no unlabelled heads.
    """
    semi = stage.semi
    if semi is None:
        raise ValueError("this stage has no unlabelled heads")
    answer = teacher(unlabeled.looks)
    belief = answer.belief
    limit = threshold(belief)
    keep = limit.keep(belief) & answer.agrees(semi.agreement_deg)
    target = belief.sharpened(semi.sharpen).rotated(unlabeled.turn)  # R → QR, so A → QA
    parameter = student(unlabeled.strong)
    loss = mean_of_kept(stage.unsupervised(parameter, target), keep) * unlabeled.share
    return Unsupervised(loss, parameter, belief, keep, limit, unlabeled)


def mean_of_kept(each: Tensor, keep: Tensor) -> Tensor:
    """The mean over the whole batch of what is kept (mean over the kept × their share).

    Args:
        each: (n,) losses.
        keep: (n,) bool.

    Returns:
        A scalar.
    """
    return torch.where(keep, each, 0.0).sum() / max(1, len(keep))
