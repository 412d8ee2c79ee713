"""Gradient accumulation: the batch is cut, its parts' gradients are summed, and the step is that of the whole batch.

The mean over a part counts with its share of the heads. What the teacher believes is asked part by part as well, but before
the student sees anything, because a threshold may follow from the beliefs of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.training.pose.batches import LabeledBatch, UnlabeledBatch
from semiuhpe.training.pose.step import StepLoss, Teacher, Unsupervised
from semiuhpe.training.pose.teachers import TeacherAnswer
from semiuhpe.training.pose.threshold import Threshold

ThresholdOf = Callable[[MatrixFisher], Threshold]


@dataclass(frozen=True)
class Part:
    """What `semiuhpe.training.pose.step.step_loss` takes of a part of a batch."""

    labeled: LabeledBatch
    unlabeled: UnlabeledBatch | None
    teacher: Teacher
    threshold: ThresholdOf


def parts_of(
    labeled: LabeledBatch, unlabeled: UnlabeledBatch | None, count: int, teacher: Teacher, threshold: ThresholdOf
) -> list[Part]:
    """A batch in `count` consecutive parts whose losses add up to its loss; no part may be empty.

    teacher, threshold: as of `step_loss`; those of the parts hand out what these say of the whole batch.
    """
    if count == 1:
        return [Part(labeled, unlabeled, teacher, threshold)]
    own = _cut_labeled(labeled, count)
    if unlabeled is None:
        return [Part(part, None, teacher, threshold) for part in own]
    others = _cut_unlabeled(unlabeled, count)
    answers = [teacher(part.looks) for part in others]
    limit = threshold(MatrixFisher(torch.cat([answer.belief.parameter for answer in answers])))
    return [
        Part(part, other, _which_says(answer), lambda _: limit)
        for part, other, answer in zip(own, others, answers, strict=True)
    ]


def whole_loss(losses: Sequence[StepLoss], labeled: LabeledBatch, unlabeled: UnlabeledBatch | None) -> StepLoss:
    """The loss of a batch from those of its parts; it has no gradient any more where there is more than one."""
    if len(losses) == 1:
        return losses[0]
    total, supervised = (
        torch.stack(values).sum().detach()
        for values in ([loss.total for loss in losses], [loss.supervised for loss in losses])
    )
    student = torch.cat([loss.student.detach() for loss in losses])
    taught = [loss.unsupervised for loss in losses if loss.unsupervised is not None]
    if unlabeled is None:
        return StepLoss(total, supervised, student, labeled)
    unsupervised = Unsupervised(
        loss=torch.stack([part.loss for part in taught]).sum().detach(),
        student=torch.cat([part.student.detach() for part in taught]),
        belief=MatrixFisher(torch.cat([part.belief.parameter for part in taught])),
        keep=torch.cat([part.keep for part in taught]),
        threshold=taught[0].threshold,
        batch=unlabeled,
    )
    return StepLoss(total, supervised, student, labeled, unsupervised)


def _which_says(answer: TeacherAnswer) -> Teacher:
    return lambda _: answer


def _cut_labeled(batch: LabeledBatch, count: int) -> list[LabeledBatch]:
    cut = zip(*(values.tensor_split(count) for values in (batch.images, batch.rotation, batch.target)), strict=True)
    return [
        LabeledBatch(images, rotation, target, batch.share * len(images) / len(batch.images))
        for images, rotation, target in cut
    ]


def _cut_unlabeled(batch: UnlabeledBatch, count: int) -> list[UnlabeledBatch]:
    values = (batch.weak, batch.strong, batch.turn, batch.rotation, *batch.more)
    cut = zip(*(one.tensor_split(count) for one in values), strict=True)
    return [
        UnlabeledBatch(weak, strong, turn, rotation, tuple(more), batch.share * len(weak) / len(batch.weak))
        for weak, strong, turn, rotation, *more in cut
    ]
