"""How good the weights are right now, on validation splits: this and nothing else chooses the best ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import Float, geodesic_distance, project_to_rotation
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.data import HeadSubset, canonical_crops, labelled_heads, rotations_of
from semiuhpe.training.ranks import Ranks
from semiuhpe.training.recipe import Recipe


@dataclass(frozen=True)
class ValidationSet:
    """Crops and labels of one validation split, kept in memory.

    crops: (m, S, S, 3) uint8, this process's part. rotations: (n, 3, 3) camera←head, those of all heads.
    """

    name: str
    crops: Image
    rotations: Float


def validation_sets(recipe: Recipe, ranks: Ranks | None = None) -> list[ValidationSet]:
    """The validation split of every labelled store that has one, within its `ss_ratio`: no other label chooses weights."""
    sets = []
    ranks = Ranks() if ranks is None else ranks
    for data in recipe.labelled:
        if not data.validate:
            continue
        heads = labelled_heads(data.store, "val", recipe.validation_limit, data.ss_ratio, data.max_sigma_deg)
        if len(heads):
            name = heads.store.path.name
            own = HeadSubset(heads.store, heads.indices[ranks.part(len(heads))])
            sets.append(ValidationSet(name, canonical_crops(own, recipe.model.image_size), rotations_of(heads)))
    return sets


@torch.no_grad()
def predict(network: PoseNet, crops: Image, device: torch.device, batch_size: int = 64) -> Float:
    """Parameters A of a network in evaluation mode. crops (n, S, S, 3) uint8 → (n, 3, 3) float64."""
    was_training = network.training
    network.eval()
    parts = [
        network(torch.from_numpy(crops[start : start + batch_size]).to(device)).double().cpu().numpy()
        for start in range(0, len(crops), batch_size)
    ]
    network.train(was_training)
    return np.concatenate(parts) if parts else np.zeros((0, 3, 3))


def validate(network: PoseNet, sets: list[ValidationSet], ranks: Ranks) -> dict[str, float]:
    """Mean geodesic error of each set in degrees, and under "mean" the mean over sets; the same on every rank."""
    scores = {}
    for subset in sets:
        own = torch.from_numpy(predict(network, subset.crops, ranks.device))
        rotations = project_to_rotation(ranks.gather(own, len(subset.rotations)).numpy())
        errors = geodesic_distance(rotations, subset.rotations)
        scores[subset.name] = float(np.degrees(errors.mean()))
    scores["mean"] = float(np.mean(list(scores.values()))) if scores else float("nan")
    return scores
