"""The loss of the head detector: which cell answers for which head, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from semiuhpe.models.head_detector import STRIDES

SIZE_RANGES = ((0.0, 30.0), (24.0, 72.0), (58.0, 152.0), (120.0, float("inf")))
"""Head sizes (square root of the area, pixels) of each level. They overlap: at a border both levels answer."""

RADIUS = 1.5
"""A head's positive cells lie within this many strides of its center (and in its box)."""


@dataclass(frozen=True)
class Targets:
    """For each cell: head (N,) int64 index or −1; ignored (N,) bool, where no score is trained."""

    head: Tensor
    ignored: Tensor


def assign(centers: Tensor, strides: Tensor, heads: Tensor, ignored: Tensor) -> Targets:
    """Give cells to heads.

    centers: (N, 2), strides: (N,), as `cell_centers` gives them. heads: (n, 4) boxes. ignored: (m, 4) regions that
    hold heads which nobody should learn from. A cell is a head's if the head's size is in its level's range and its
    center lies in the head's box within `RADIUS` strides of the head's center; the nearest cell of each such level is
    the head's in any case. A cell wanted by several goes to the smallest head.
    """
    inside = ((centers[:, None] > ignored[None, :, :2]) & (centers[:, None] < ignored[None, :, 2:])).all(-1).any(-1)
    owner = torch.full((len(centers),), -1, dtype=torch.int64)
    if len(heads) == 0:
        return Targets(owner, inside)
    size = ((heads[:, 2] - heads[:, 0]) * (heads[:, 3] - heads[:, 1])).sqrt()
    middle = (heads[:, :2] + heads[:, 2:]) / 2
    offset = (centers[:, None] - middle[None]).abs().amax(-1)
    in_box = ((centers[:, None] > heads[None, :, :2]) & (centers[:, None] < heads[None, :, 2:])).all(-1)
    wanted = in_box & (offset < RADIUS * strides[:, None])
    level_ok = torch.zeros_like(wanted)
    for stride, (low, high) in zip(STRIDES, SIZE_RANGES, strict=True):
        at_level = strides == stride
        fits = (size > low) & (size <= high)
        level_ok |= at_level[:, None] & fits[None]
        rows = torch.nonzero(at_level)[:, 0]
        distance = (centers[rows][:, None] - middle[None]).square().sum(-1)
        nearest = rows[distance.argmin(0)]
        wanted[nearest[fits], torch.nonzero(fits)[:, 0]] = True
    wanted &= level_ok
    cost = torch.where(wanted, size[None].expand_as(wanted), torch.inf)
    smallest, index = cost.min(1)
    owner[smallest.isfinite()] = index[smallest.isfinite()]
    return Targets(owner, inside & (owner < 0))


def paired_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """(n, 4), (n, 4) → IoU (n,) and generalised IoU (n,) of each pair (Rezatofighi et al. 2019, algorithm 1)."""
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_first = (first[:, 2:] - first[:, :2]).prod(-1)
    area_second = (second[:, 2:] - second[:, :2]).prod(-1)
    union = (area_first + area_second - shared).clamp(min=1e-6)
    hull_low, hull_high = torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])
    hull = (hull_high - hull_low).prod(-1).clamp(min=1e-6)
    overlap = shared / union
    return overlap, overlap - (hull - union) / hull


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """|quality − score|² × cross-entropy, elementwise (Li et al. 2020, eq. 4, β = 2). logits, quality: same shape."""
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (quality - logits.sigmoid()).square() * entropy


def detector_loss(logits: Tensor, boxes: Tensor, heads: list[Tensor], targets: list[Targets]) -> tuple[Tensor, Tensor]:
    """Score loss and box loss of a batch, each a scalar.

    logits (B, N), boxes (B, N, 4) from the network; heads: B boxes arrays (n_i, 4). Positive cells learn the IoU of
    their present box as score, all others 0. The score loss is divided by the number of positive cells of the batch;
    the box loss is their mean, weighted by their scores, so that boxes are best where they will be believed.
    """
    quality = torch.zeros_like(logits)
    counted = torch.ones_like(logits)
    box_terms: list[Tensor] = []
    weights: list[Tensor] = []
    for number, (own, target) in enumerate(zip(heads, targets, strict=True)):
        counted[number, target.ignored] = 0.0
        positive = torch.nonzero(target.head >= 0)[:, 0]
        if len(positive) == 0:
            continue
        overlap, generalised = paired_iou(boxes[number, positive], own[target.head[positive]])
        quality[number, positive] = overlap.detach().clamp(0, 1)
        box_terms.append(1 - generalised)
        weights.append(logits[number, positive].detach().sigmoid().clamp(min=0.1))
    score_sum = (quality_focal_loss(logits, quality) * counted).sum()
    if not box_terms:
        return score_sum, boxes.sum() * 0.0
    weight = torch.cat(weights)
    positives = max(float(len(weight)), 1.0)
    return score_sum / positives, (torch.cat(box_terms) * weight).sum() / weight.sum()
