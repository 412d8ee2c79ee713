"""One step of semi-supervised training: one page, as in the paper (method §2).

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
from semiuhpe.training.pose.batches import LabelledBatch, UnlabelledBatch
from semiuhpe.training.pose.stage import Stage
from semiuhpe.training.pose.teachers import TeacherAnswer
from semiuhpe.training.pose.threshold import Threshold

Network = Callable[[Tensor], Tensor]
Teacher = Callable[[Sequence[Tensor]], TeacherAnswer]


@dataclass(frozen=True)
class Unsupervised:
    """What a step says of its unlabelled heads. student: (n, 3, 3) parameters about the strong views. keep: (n,) bool."""

    loss: Tensor
    student: Tensor
    belief: MatrixFisher
    keep: Tensor
    threshold: Threshold
    batch: UnlabelledBatch


@dataclass(frozen=True)
class StepLoss:
    """total: what is differentiated, a scalar. supervised: its part of the labels. student: (n, 3, 3) parameters about the
    labelled heads. unsupervised: what there is about unlabelled ones, None in a stage without."""

    total: Tensor
    supervised: Tensor
    student: Tensor
    labelled: LabelledBatch
    unsupervised: Unsupervised | None = None


def step_loss(
    student: Network,
    teacher: Teacher,
    labelled: LabelledBatch,
    unlabelled: UnlabelledBatch | None,
    threshold: Callable[[MatrixFisher], Threshold],
    stage: Stage,
    step: int,
) -> StepLoss:
    """The loss of a step, `L = L_s + λ·L_u`.

    teacher: what it says of weak views, without a gradient. threshold: beliefs of the step → which entropies are kept.
    unlabelled: None in a stage of labelled heads alone.
    """
    parameter = student(labelled.images)
    supervised = stage.supervised(parameter, labelled.target).mean() * labelled.share
    if unlabelled is None:
        return StepLoss(supervised, supervised, parameter, labelled)
    taught = unsupervised_step(student, teacher, unlabelled, threshold, stage)
    total = supervised + stage.ssl_weight(step) * taught.loss
    return StepLoss(total, supervised, parameter, labelled, taught)


def unsupervised_step(
    student: Network,
    teacher: Teacher,
    unlabelled: UnlabelledBatch,
    threshold: Callable[[MatrixFisher], Threshold],
    stage: Stage,
) -> Unsupervised:
    """What the student learns from unlabelled heads; λ is not in the loss."""
    semi = stage.semi
    if semi is None:
        raise ValueError("this stage has no unlabelled heads")
    answer = teacher(unlabelled.looks)
    belief = answer.belief
    limit = threshold(belief)
    keep = limit.keep(belief) & answer.agrees(semi.agreement_deg)
    target = belief.sharpened(semi.sharpen).rotated(unlabelled.turn)  # R → QR, so A → QA
    parameter = student(unlabelled.strong)
    loss = mean_of_kept(stage.unsupervised(parameter, target), keep) * unlabelled.share
    return Unsupervised(loss, parameter, belief, keep, limit, unlabelled)


def mean_of_kept(each: Tensor, keep: Tensor) -> Tensor:
    """The mean over the whole batch of what is kept (mean over the kept × their share). (n,), (n,) bool → scalar."""
    return torch.where(keep, each, 0.0).sum() / max(1, len(keep))
