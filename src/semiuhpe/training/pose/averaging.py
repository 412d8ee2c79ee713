"""Weight averaging of two trainings, of which one went on from the other: between them the loss has no wall.

A second stage wins some heads and loses others; a point on the line between its start and its end often keeps most of both.
Which point is best is for validation heads to say.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from semiuhpe.errors import WeightsError
from semiuhpe.models.checkpoint import AVERAGED, load_checkpoint, save_checkpoint, under_prefix, with_prefix
from semiuhpe.models.export import network_of
from semiuhpe.training.pose.recipe_file import recipe_of_values
from semiuhpe.training.pose.validation import validate, validation_sets
from semiuhpe.training.ranks import Ranks


def average_runs(first: Path, second: Path, share: float, target: Path, *, measure: bool = False) -> dict[str, float]:
    """Write a checkpoint with the averaged weights of both: `share` of the second, the rest of the first.

    first, second: .safetensors of runs with the same network. Its state is that of the second; a model card made of it says
    what it is the mean of. measure: on the validation heads of the second's recipe, as its training did; → mean errors,
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
    sets = validation_sets(recipe_of_values(state["recipe"], str(second))) if measure else []
    origins = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    card = {**state.get("card", {}), "mean_of": {"sha256": origins, "share_of_the_second": share}}
    state = {**state, "card": card, "validation_deg": {}}
    save_checkpoint(target, with_prefix(AVERAGED, mean), state)
    if sets:
        state["validation_deg"] = validate(network_of(target)[0], sets, Ranks()).errors_deg
        save_checkpoint(target, with_prefix(AVERAGED, mean), state)
    return dict(state["validation_deg"])
