"""Validation: how good the weights are right now, on validation splits; this and nothing else chooses the best ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from semiuhpe.errors import RecipeError, StoreError
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import (
    Float,
    azimuth_elevation_tilt,
    circular_difference,
    geodesic_distance,
    project_to_rotation,
)
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStore
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.data import HeadSubset, canonical_crops, labelled_heads, rotations_of, spread_heads
from semiuhpe.training.pose.recipe import Recipe, ValidationData
from semiuhpe.training.pose.threshold import BAND_NAMES, BANDS_DEG
from semiuhpe.training.ranks import Ranks


@dataclass(frozen=True)
class ValidationSet:
    """Crops and labels of one validation split, kept in memory.

    crops: (m, S, S, 3) uint8, this process's part. rotations: (n, 3, 3) camera←head, those of all heads, NaN where only the
    azimuth is known. azimuths: (n,) radians. subjects: (n,) who they are, or the head's id where nobody knows. weight: in the
    mean that chooses the best weights.
    """

    name: str
    crops: Image
    rotations: Float
    azimuths: Float
    subjects: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Scores:
    """What a validation found, the same on every rank.

    errors_deg: mean error of each set, degrees: geodesic, or of the azimuth for heads without a rotation; and under "mean"
    the weighted mean over the sets, where there are any. within_45: of each set of azimuths the share of heads within 45°,
    over all, and as `NAME/front`, `/side` and `/rear` by the labelled azimuth.
    """

    errors_deg: dict[str, float]
    within_45: dict[str, float]


def validation_sets(recipe: Recipe, ranks: Ranks | None = None) -> list[ValidationSet]:
    """The validation split of every labelled store that has one, within its `ss_ratio`: no other label of it chooses weights.

    And those that the recipe lists under `validation`. Raises RecipeError for one of them without labelled heads.
    """
    ranks = Ranks() if ranks is None else ranks
    listed = {Path(data.store) for data in recipe.validation}
    found = []
    for data in recipe.labelled:
        if data.validate and Path(data.store) not in listed:
            heads = labelled_heads(data.store, "val", recipe.validation_limit, data.ss_ratio, data.max_sigma_deg)
            found.append((heads, 1.0))
    found += [(_listed_heads(data, recipe.validation_limit), data.weight) for data in recipe.validation]
    sets: dict[str, ValidationSet] = {}
    for heads, weight in found:
        if len(heads):
            path = heads.store.path
            name = str(path) if path.name in sets else path.name
            sets[name] = _in_memory(name, heads, weight, recipe.model.image_size, ranks)
    return list(sets.values())


def _listed_heads(data: ValidationData, limit: int) -> HeadSubset:
    store = HeadStore(data.store)
    chosen = [i for i, r in enumerate(store) if r.split == data.split and np.isfinite(_azimuth(r))]
    if not chosen:
        raise RecipeError(f"{data.store}: has no heads with a rotation or azimuth_deg in its {data.split} split")
    return spread_heads(HeadSubset(store, np.array(chosen, np.int64)), limit)


def _in_memory(name: str, heads: HeadSubset, weight: float, size: int, ranks: Ranks) -> ValidationSet:
    own = HeadSubset(heads.store, heads.indices[ranks.part(len(heads))])
    records = [heads.store.record(int(i)) for i in heads.indices]
    azimuths = np.array([_azimuth(record) for record in records])
    subjects = tuple(record.subject or record.id for record in records)
    return ValidationSet(name, canonical_crops(own, size), rotations_of(heads), azimuths, subjects, weight)


def _azimuth(record: HeadRecord) -> float:
    """Labelled azimuth, radians; NaN where there is none."""
    if record.rotation is not None:
        return float(azimuth_elevation_tilt(record.rotation)[0])
    value = record.extras.get("azimuth_deg")
    if value is not None and not isinstance(value, int | float):
        raise StoreError(f"head {record.id}: azimuth_deg is no number ({value!r}); import the source again")
    return float("nan") if value is None else float(np.radians(value))


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


def validate(network: PoseNet, sets: list[ValidationSet], ranks: Ranks) -> Scores:
    """Errors of a network on every set."""
    errors_deg: dict[str, float] = {}
    within_45: dict[str, float] = {}
    for subset in sets:
        errors = head_errors_deg(network, subset, ranks)
        by_eye = ~np.isfinite(subset.rotations).all((1, 2))
        if by_eye.any():
            within_45 |= _within_45(subset.name, errors[by_eye], subset.azimuths[by_eye])
        errors_deg[subset.name] = float(errors.mean())
    if sets:
        errors_deg["mean"] = float(np.average(list(errors_deg.values()), weights=[s.weight for s in sets]))
    return Scores(errors_deg, within_45)


def head_errors_deg(network: PoseNet, subset: ValidationSet, ranks: Ranks | None = None) -> Float:
    """Error of each head, degrees: geodesic, or of the azimuth where that alone is known. → (n,), the same on every rank."""
    ranks = Ranks() if ranks is None else ranks
    own = torch.from_numpy(predict(network, subset.crops, ranks.device))
    rotations = project_to_rotation(ranks.gather(own, len(subset.rotations)).numpy())
    azimuths = azimuth_elevation_tilt(rotations)[:, 0]
    errors = np.degrees(np.abs(circular_difference(azimuths, subset.azimuths)))
    whole = np.isfinite(subset.rotations).all((1, 2))
    errors[whole] = np.degrees(geodesic_distance(rotations[whole], subset.rotations[whole]))
    return errors


def _within_45(name: str, errors_deg: Float, azimuths: Float) -> dict[str, float]:
    """Share of azimuth errors within 45°, over all and in the bands that have heads. (n,), (n,) radians."""
    near, band = errors_deg <= 45, np.digitize(np.degrees(np.abs(azimuths)), BANDS_DEG)
    shares = {f"{name}/{part}": near[band == number] for number, part in enumerate(BAND_NAMES)}
    return {key: float(np.mean(value)) for key, value in {name: near, **shares}.items() if len(value)}
