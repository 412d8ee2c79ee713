"""The optimizer: its learning rate by step and by layer, and which weights decay."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from semiuhpe.models.backbones import stage_numbers
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.recipe import OptimizerRecipe


def learning_rate(recipe: OptimizerRecipe, step: int, steps: int) -> float:
    """The learning rate of a step: linear warm-up, then cosine (or constant)."""
    if step < recipe.warmup_steps:
        return recipe.lr * (step + 1) / recipe.warmup_steps
    if recipe.schedule == "constant":
        return recipe.lr
    progress = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return recipe.lr * (recipe.final_lr_ratio + (1 - recipe.final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2)


def rate_factors(network: PoseNet, layer_decay: float) -> dict[str, float]:
    """The factor on the learning rate of every parameter, by its name: 1 for the head, and for the stages of the backbone
    `layer_decay`, `layer_decay`², …, from the last to the stem."""
    stages = stage_numbers(network.backbone)
    depth = 1 + max(stages.values())
    backbone = {f"backbone.{name}": layer_decay ** (depth - stage) for name, stage in stages.items()}
    return {name: backbone.get(name, 1.0) for name, _ in network.named_parameters()}


def parameter_groups(network: PoseNet, weight_decay: float, layer_decay: float = 1.0) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms; `lr_factor` is of the group's learning rate."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    factors = dict.fromkeys(trained, 1.0) if layer_decay == 1 else rate_factors(network, layer_decay)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        groups.setdefault((factors[name], parameter.ndim > 1), []).append(parameter)
    return [
        {"params": groups[factor, decays], "weight_decay": weight_decay if decays else 0.0, "lr_factor": factor}
        for factor, decays in sorted(groups, reverse=True)
    ]
