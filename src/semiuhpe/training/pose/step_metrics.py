"""What there is to log of a step, over the heads of all processes; computed only when it is logged."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.training.pose.batches import UnlabeledBatch
from semiuhpe.training.pose.step import StepLoss, Unsupervised
from semiuhpe.training.pose.threshold import Threshold, kept_shares
from semiuhpe.training.ranks import Ranks


def step_values(loss: StepLoss, gradient_norm: Tensor | None, ranks: Ranks, total: int) -> dict[str, float]:
    """Of the labelled heads. total: heads in the batches of all processes."""
    clipped = {} if gradient_norm is None else {"gradient_norm": float(gradient_norm)}
    both = (loss.student.detach(), loss.labeled.rotation)
    error = _mean_error_deg(*(ranks.gather(part.float(), total) for part in both))
    return {"nll": float(ranks.mean(loss.supervised.detach())), **clipped, "train_error_deg": error}


def unsupervised_values(seen: Unsupervised, ranks: Ranks, total: int) -> dict[str, Any]:
    """Of the unlabelled heads. total: heads in the batches of all processes."""
    parameter, belief, keep, batch = seen.student.detach(), seen.belief, seen.keep, seen.batch
    value = seen.loss.detach()
    if ranks.count > 1:
        every = [parameter.float(), belief.parameter, batch.turn, batch.rotation, keep.float()]
        parameter, own, turn, rotation, kept = (ranks.gather(part, total) for part in every)
        batch = UnlabeledBatch(batch.weak, batch.strong, turn, rotation)
        belief, keep, value = MatrixFisher(own), kept > 0, ranks.mean(value)
    return {"unsupervised": float(value), **describe(parameter, belief, keep, batch, seen.threshold)}


@torch.no_grad()
def describe(
    student: Tensor, belief: MatrixFisher, keep: Tensor, batch: UnlabeledBatch, threshold: Threshold
) -> dict[str, float]:
    """What a researcher wants to see of a batch: shares kept, entropy, disagreement, and errors where labels exist."""
    target = belief.rotated(batch.turn).mode.double().cpu().numpy()
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


def _mean_error_deg(parameter: Tensor, rotations: Tensor) -> float:
    predicted = project_to_rotation(parameter.double().cpu().numpy())
    return float(geodesic_distance(predicted, rotations.double().cpu().numpy()).mean() * 180 / math.pi)
