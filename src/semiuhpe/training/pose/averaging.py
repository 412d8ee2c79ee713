"""Weight averaging of two trainings, of which one went on from the other: between them the loss has no wall.

A second stage wins some heads and loses others; a point on the line between its start and its end often keeps most of both.
Which point is best is for validation heads to say. Between them the statistics of batch norms are neither's: they are taken
anew from views of training (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima", §3.2), which helps a single
training too, for its own are those of its last steps.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from semiuhpe.errors import WeightsError
from semiuhpe.geometry.crop import Image
from semiuhpe.models.checkpoint import (
    AVERAGED,
    load_checkpoint,
    load_module,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from semiuhpe.models.export import network_of
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.data import training_sources, training_views
from semiuhpe.training.pose.recipe import ModelRecipe
from semiuhpe.training.pose.recipe_file import recipe_of_values
from semiuhpe.training.pose.validation import validate, validation_sets
from semiuhpe.training.ranks import Ranks


def average_runs(
    first: Path, second: Path, share: float, target: Path, *, norm_views: int = 0, measure: bool = False
) -> dict[str, float]:
    """Write a checkpoint with the averaged weights of both: `share` of the second, the rest of the first.

    first, second: .safetensors of runs with the same network. Its state is that of the second; a model card made of it says
    what it is the mean of. norm_views: how many views of the second's recipe the statistics of its batch norms are taken from;
    0 = they are averaged like weights. measure: on the validation heads of the second's recipe, as its training did; → mean errors,
    degrees, by set and under "mean", which are in the state too; else none. Raises WeightsError for a share outside [0, 1] or
    weights that do not fit each other, StoreError or RecipeError where the recipe's stores are not there.
    """
    if not 0 <= share <= 1:
        raise WeightsError(f"--share is between 0 and 1, got {share:g}")
    loaded = [load_checkpoint(path) for path in (first, second)]
    ones, others = (under_prefix(AVERAGED, tensors) for tensors, _ in loaded)
    if not ones or {k: v.shape for k, v in ones.items()} != {k: v.shape for k, v in others.items()}:
        raise WeightsError(
            f"{first} and {second}: not weights of one network; give two runs of which one began as the other"
        )
    mean = {
        key: torch.lerp(value, others[key], share) if value.is_floating_point() else others[key]
        for key, value in ones.items()
    }
    state = loaded[1][1]
    recipe = recipe_of_values(state["recipe"], str(second)) if measure or norm_views else None
    sets = validation_sets(recipe) if recipe and measure else []
    origins = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    card = {
        **state.get("card", {}),
        "mean_of": {"sha256": origins, "share_of_the_second": share, "norm_views": norm_views},
    }
    state = {**state, "card": card, "validation_deg": {}}
    if recipe and norm_views:
        views = training_views(recipe, training_sources(recipe.labelled), norm_views)
        network = _as_trained(recipe.model)
        load_module(network, mean, f"{first}, {second}")
        measure_norms(network, views)
        mean = network.state_dict()
    save_checkpoint(target, with_prefix(AVERAGED, mean), state)
    if sets:
        state["validation_deg"] = validate(network_of(target)[0], sets, Ranks()).errors_deg
        save_checkpoint(target, with_prefix(AVERAGED, mean), state)
    return dict(state["validation_deg"])


def _as_trained(settings: ModelRecipe) -> PoseNet:
    """A network of that kind whose frozen norms are frozen, and that drops nothing."""
    return PoseNet(
        settings.backbone,
        head=settings.head,
        dropout=0.0,
        pretrained=False,
        frozen_stages=settings.frozen_stages,
        frozen_norms=settings.frozen_norms,
    )


@torch.no_grad()
def measure_norms(network: PoseNet, pictures: Image, batch_size: int = 64) -> None:
    """Take the statistics of the batch norms that train anew, in place: the mean over the batches of these pictures.

    pictures: (n, S, S, 3) uint8, n ≥ 2. Norms that are frozen keep theirs. The network is in evaluation mode afterwards.
    """
    network.train()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # of torch: the plain mean over all batches
    for batch in torch.split(torch.from_numpy(pictures), batch_size):
        if len(batch) > 1:
            network(batch.to(network.mean.device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
