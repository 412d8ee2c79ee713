"""What the student learns from unlabelled heads: one page, as in the paper (method §2).

weak view → teacher (evaluation mode) → belief → entropy filter → turned with the strong view → target
strong view → student → cross-entropy with the target, over the heads that were kept
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher, cross_entropy_loss
from semiuhpe.geometry.rotation import geodesic_distance
from semiuhpe.training.optimizer import supervised_loss
from semiuhpe.training.pose.recipe import OptimiserRecipe, SemiSupervisedRecipe
from semiuhpe.training.pose.threshold import Threshold, kept_shares


@dataclass(frozen=True)
class UnlabelledBatch:
    """Two views of n unlabelled heads, or more where teachers look more than once.

    weak, strong: (n, S, S, 3) uint8 RGB. turn: (n, 3, 3) float32, camera of the strong view ← camera of the weak one.
    rotation: (n, 3, 3) float32 label of the weak view where the store knows one, else NaN; only compared with. more: further
    weak views of the same pose, in the order of `semiuhpe.training.pose.teachers.weak_looks`.
    """

    weak: Tensor
    strong: Tensor
    turn: Tensor
    rotation: Tensor
    more: tuple[Tensor, ...] = ()

    @property
    def looks(self) -> tuple[Tensor, ...]:
        """Everything that the teachers look at."""
        return (self.weak, *self.more)

    def to(self, device: torch.device) -> UnlabelledBatch:
        """The same on another device."""
        weak, strong, turn, rotation, *more = (
            part.to(device, non_blocking=True)
            for part in (self.weak, self.strong, self.turn, self.rotation, *self.more)
        )
        return UnlabelledBatch(weak, strong, turn, rotation, tuple(more))


def unsupervised_loss(
    student: Tensor,
    belief: MatrixFisher,
    keep: Tensor,
    turn: Tensor,
    settings: SemiSupervisedRecipe,
    optimiser: OptimiserRecipe,
) -> Tensor:
    """Mean over the whole batch of the loss of the heads that are kept (mean over the kept × their share).

    student: (n, 3, 3) parameters about the strong views. belief: the teacher's about the weak ones. keep: (n,) bool.
    turn: (n, 3, 3), strong ← weak. "ce" is the cross-entropy with the whole belief; "nll" takes its mode as a label,
    and the supervised loss of `optimiser`.
    """
    if settings.loss == "nll":
        each = supervised_loss(student, turn @ belief.mode, optimiser)
    else:
        sharpened = belief if settings.sharpen == 1 else MatrixFisher(settings.sharpen * belief.parameter)
        each = cross_entropy_loss(student, turn @ sharpened.mean)
    return torch.where(keep, each, 0.0).sum() / max(1, len(keep))


@torch.no_grad()
def describe(
    student: Tensor, belief: MatrixFisher, keep: Tensor, batch: UnlabelledBatch, threshold: Threshold
) -> dict[str, float]:
    """What a researcher wants to see of a batch: shares kept, entropy, disagreement, and errors where labels exist."""
    target = (batch.turn @ belief.mode).double().cpu().numpy()
    own = MatrixFisher(student.detach()).mode.double().cpu().numpy()
    kept = keep.cpu().numpy()
    apart = geodesic_distance(own, target) * 180 / math.pi
    values = {
        "threshold": threshold.by_band[0],
        "entropy": float(belief.entropy.mean()),
        **kept_shares(belief, keep),
        "disagreement_deg": float(apart.mean()),
    }
    if kept.any():
        values["disagreement_kept_deg"] = float(apart[kept].mean())
    known = torch.isfinite(batch.rotation).all(-1).all(-1).cpu().numpy()
    if known.any():
        truth = batch.rotation.double().cpu().numpy()[known]
        error = geodesic_distance(belief.mode.double().cpu().numpy()[known], truth) * 180 / math.pi
        values["pseudo_label_error_deg"] = float(error.mean())
        if (kept & known).any():
            values["pseudo_label_error_kept_deg"] = float(error[kept[known]].mean())
    return values
