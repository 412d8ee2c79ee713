"""The dataset of labelled heads, as training samples: a key in, a view with its rotation and its target out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from semiuhpe.arrays import evenly_spread
from semiuhpe.errors import RecipeError
from semiuhpe.geometry.crop import Image, crop_head
from semiuhpe.geometry.rotation import Float
from semiuhpe.heads.splits import with_labels
from semiuhpe.heads.store import HeadStore
from semiuhpe.training.pose.batches import SampleKey, StepSampler
from semiuhpe.training.pose.label_noise import label_means, label_sigmas_deg
from semiuhpe.training.pose.recipe import LabelledData, Recipe
from semiuhpe.views import occlusion, photometric
from semiuhpe.views.warp import View, decode_factor, draw, draw_view, keyed_generator, turn_label

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class HeadSubset:
    """The heads of a store that one job uses.

    Attributes:
        store: the store.
        indices: (n,) int64, numbers of the heads.
    """

    store: HeadStore
    indices: Indices

    def __len__(self) -> int:
        return len(self.indices)


def labelled_heads(
    path: str, split: str, limit: int = 0, ss_ratio: float = 1.0, max_sigma_deg: float = 0.0
) -> HeadSubset:
    """The labelled heads of one split.

    Args:
        path: folder of the store.
        split: of the records.
        limit: heads at most, evenly spread (0 = all).
        ss_ratio: only those of this share of the store, split as published.
        max_sigma_deg: none whose label is stated to be noisier, degrees (0 = all).

    Returns:
        The heads.

    Raises:
        StoreError: there is no store.
    """
    store = HeadStore(path)
    chosen = np.array([r.split == split and r.rotation is not None for r in store], dtype=np.bool_)
    if ss_ratio < 1:
        chosen &= with_labels(store, ss_ratio)
    if max_sigma_deg:
        chosen &= ~(label_sigmas_deg(store) > max_sigma_deg)
    return spread_heads(HeadSubset(store, np.flatnonzero(chosen)), limit)


def spread_heads(heads: HeadSubset, limit: int) -> HeadSubset:
    """`limit` heads, evenly spread; all of them where there are no more, or limit is 0."""
    return HeadSubset(heads.store, heads.indices[evenly_spread(len(heads), limit)])


def training_sources(labelled: Sequence[LabelledData]) -> list[HeadSubset]:
    """The training heads of each source.

    Args:
        labelled: of the recipe.

    Returns:
        The heads, per source.

    Raises:
        RecipeError: a source without any.
    """
    sources = [labelled_heads(d.store, "train", d.limit, d.ss_ratio, d.max_sigma_deg) for d in labelled]
    for data, source in zip(labelled, sources, strict=True):
        if len(source) == 0:
            share = f" within ss_ratio {data.ss_ratio}" if data.ss_ratio < 1 else ""
            share += f" within {data.max_sigma_deg:g}° of noise" if data.max_sigma_deg else ""
            raise RecipeError(
                f"{data.store}: the store has no labelled heads in its train split{share}; check `semiuhpe inspect`"
            )
    return sources


def draw_stored(store: HeadStore, index: int, views: Sequence[View], size: int) -> list[Image]:
    """The pictures of some views of a stored head, (size, size, 3) uint8 each, decoded no larger than they need it."""
    box = store.record(index).box
    image, factor = store.smaller_image(index, decode_factor(box, views, size))
    x1, y1, x2, y2 = box
    smaller = (x1 / factor, y1 / factor, x2 / factor, y2 / factor)
    return [draw(image, smaller, view, size) for view in views]


class LabelledViews(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Dataset: key → (image, rotation, target), each a pure function of (seed, key).

    image: (key.size, key.size, 3) uint8. rotation: (3, 3) float32 camera←head. target: (3, 3) float32, E[R] of the
    label's belief, which is the rotation where the label is taken as exact.

    Args:
        sources: of `recipe.labelled`, in its order.
        recipe: seed, views and noise.
    """

    def __init__(self, sources: Sequence[HeadSubset], recipe: Recipe) -> None:
        self.sources = list(sources)
        self.recipe = recipe
        self.ranges = [
            recipe.view if data.any_rotation is None else replace(recipe.view, any_rotation=data.any_rotation)
            for data in recipe.labelled
        ]
        self.means = [
            None if data.exact else label_means(source.store, data)
            for source, data in zip(self.sources, recipe.labelled, strict=True)
        ]

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor, Tensor]:
        recipe = self.recipe
        source = self.sources[key.source]
        index = int(source.indices[key.position])
        record = source.store.record(index)
        rng = keyed_generator(recipe.seed, key.source, key.epoch, index)
        view = draw_view(self.ranges[key.source], rng)
        image = draw_stored(source.store, index, [view], key.size)[0]
        image = photometric.apply(image, recipe.photometric, rng)
        if rng.random() < recipe.cut_occlusion:
            image = occlusion.cut_out(image, rng)
        if rng.random() < recipe.photo_ends:
            image = occlusion.end_photo(image, rng)
        if record.rotation is None:
            raise RecipeError(f"head {record.id} has no rotation")
        rotation = turn_label(record.rotation, view)
        means = self.means[key.source]
        target = rotation if means is None else turn_label(means[index], view)
        return torch.from_numpy(image), _float32(rotation), _float32(target)


def _float32(matrix: Float) -> Tensor:
    return torch.from_numpy(matrix.astype(np.float32))


def training_views(recipe: Recipe, sources: Sequence[HeadSubset], count: int) -> Image:
    """Pictures as a step of training sees them, to take the statistics of batch norms from.

    Args:
        recipe: its views, noise, picture size, seed and the shares of its sources.
        sources: of `recipe.labelled`, in its order.
        count: how many.

    Returns:
        (count, S, S, 3) uint8.
    """
    views = LabelledViews(sources, recipe)
    (keys,) = StepSampler(
        [len(source) for source in sources],
        [data.weight for data in recipe.labelled],
        count,
        seed=recipe.seed,
        first=0,
        last=1,
        picture_size=lambda _: recipe.model.image_size,
    )
    return np.stack([views[key][0].numpy() for key in keys])


def canonical_crops(heads: HeadSubset, size: int) -> Image:
    """The crops as inference takes them.

    Args:
        heads: n heads.
        size: pixels a side.

    Returns:
        (n, size, size, 3) uint8.
    """
    crops = [crop_head(heads.store.image(int(i)), heads.store.record(int(i)).box, size) for i in heads.indices]
    return np.stack(crops) if crops else np.zeros((0, size, size, 3), np.uint8)


def rotations_of(heads: HeadSubset) -> Float:
    """Labels of heads.

    Args:
        heads: n heads.

    Returns:
        (n, 3, 3) float64 camera←head.
    """
    return heads.store.rotations[heads.indices]


def one_thread_per_worker(_worker: int) -> None:
    """Loader workers must not fight the training for cores."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
