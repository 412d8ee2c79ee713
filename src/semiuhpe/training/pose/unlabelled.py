"""The dataset of unlabelled heads, as training samples: a key in, a weak and a strong view of the same head out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from semiuhpe.errors import RecipeError
from semiuhpe.geometry.crop import Image
from semiuhpe.geometry.rotation import image_rotation
from semiuhpe.heads.splits import with_labels
from semiuhpe.heads.store import HeadStore
from semiuhpe.training.pose.batches import SampleKey, UnlabeledBatch
from semiuhpe.training.pose.data import HeadSubset, draw_stored, spread_heads
from semiuhpe.training.pose.recipe import SemiSupervisedRecipe, UnlabelledData
from semiuhpe.training.pose.teachers import Look, weak_looks
from semiuhpe.training.ranks import Ranks
from semiuhpe.views import occlusion, photometric
from semiuhpe.views.warp import View, draw_view, keyed_generator, turn_label

_NAMESPACE = 7919
"""Keeps the random numbers of unlabelled heads apart from those of labelled ones."""

Sample = tuple[Tensor, ...]


def unlabelled_sources(unlabelled: Sequence[UnlabelledData]) -> list[HeadSubset]:
    """The pool of each source: all heads but those of its val and test splits.

    With `beyond_ss_ratio` none that the labelled source with that `ss_ratio` uses.

    Args:
        unlabelled: of the recipe.

    Returns:
        The heads, per source.

    Raises:
        RecipeError: an empty pool.
    """
    sources = []
    for data in unlabelled:
        store = HeadStore(data.store)
        chosen = np.array([r.split in ("train", "unlabelled") for r in store], dtype=np.bool_)
        if data.beyond_ss_ratio:
            chosen &= ~with_labels(store, data.beyond_ss_ratio)
        if not chosen.any():
            beyond = f" beyond ss_ratio {data.beyond_ss_ratio}" if data.beyond_ss_ratio else ""
            raise RecipeError(f"{data.store}: the store has no heads outside its val and test splits{beyond}")
        sources.append(spread_heads(HeadSubset(store, np.flatnonzero(chosen)), data.limit))
    return sources


class UnlabelledViews(Dataset[Sample]):
    """Dataset: key → (weak image, strong image, turn strong←weak, label of the weak view or NaN, further weak images).

    Images (key.size, key.size, 3) uint8, but weak ones of the size of `weak_looks`; matrices (3, 3) float32. A pure
    function of (seed, key). Cut-mix is not in it: it needs the whole batch.

    Args:
        sources: of `settings.unlabelled`, in its order.
        settings: of the second stage.
        seed: of the run.
        fixed_size: pixels that fixed teacher weights see, 0 where there are none.
    """

    def __init__(
        self, sources: Sequence[HeadSubset], settings: SemiSupervisedRecipe, seed: int, fixed_size: int = 0
    ) -> None:
        self.sources = list(sources)
        self.settings = settings
        self.seed, self.fixed_size = seed, fixed_size

    def __getitem__(self, key: SampleKey) -> Sample:
        settings = self.settings
        source = self.sources[key.source]
        index = int(source.indices[key.position])
        record = source.store.record(index)
        head = (_NAMESPACE, self.seed, key.source, key.epoch, index)
        rng = keyed_generator(*head)
        crops = weak_crops(settings, rng, head)
        weak_view = crops[0]
        drawn = draw_view(settings.strong_view, rng)
        # The mirror is shared; the strong view alone is turned, so the belief turns by its angle.
        strong_view = replace(drawn, flip=weak_view.flip)
        looks = weak_looks(settings, key.size, self.fixed_size)
        views = [*((crops[look.crop], look.size) for look in looks), (strong_view, key.size)]
        weak, *more, strong = draw_sizes(source.store, index, views)
        strong = photometric.apply(strong, settings.strong_photometric, rng)
        if settings.cut_out:
            strong = occlusion.cut_out(strong, rng)
        turn = image_rotation(strong_view.rotation).astype(np.float32)
        label = np.full((3, 3), np.nan) if record.rotation is None else turn_label(record.rotation, weak_view)
        return (
            torch.from_numpy(weak),
            torch.from_numpy(strong),
            torch.from_numpy(turn),
            torch.from_numpy(label.astype(np.float32)),
            *(torch.from_numpy(image) for image in more),
        )


def weak_crops(settings: SemiSupervisedRecipe, rng: np.random.Generator, key: tuple[int, ...]) -> list[View]:
    """The weak views that teachers look at: the first from a generator, further ones, of the same pose, by the key."""
    first = draw_view(settings.weak_view, rng)
    others = [draw_view(settings.weak_view, keyed_generator(*key, n)) for n in range(1, settings.teacher_crops)]
    return [first, *(replace(view, flip=first.flip) for view in others)]


def draw_sizes(store: HeadStore, index: int, views: Sequence[tuple[View, int]]) -> list[Image]:
    """The pictures of views of a stored head, each of its own size; those of one size are drawn together."""
    pictures: dict[int, list[Image]] = {}
    for size in dict.fromkeys(size for _, size in views):
        pictures[size] = draw_stored(store, index, [view for view, own in views if own == size], size)
    return [pictures[size].pop(0) for _, size in views]


def as_batch(
    samples: Sequence[Tensor], settings: SemiSupervisedRecipe, *key: int, total: int = 0, ranks: Ranks | None = None
) -> UnlabeledBatch:
    """Collated samples as a batch; the patches of cut-mix are drawn by the key.

    Args:
        samples: of `UnlabelledViews`, each stacked.
        settings: of the second stage.
        key: e.g. seed and step.
        total: heads in the batch of all processes, of which `samples` are this one's part; patches come from all of
            them.
        ranks: these processes; None = one alone.

    Returns:
        The batch.
    """
    weak, strong, turn, rotation, *more = samples
    ranks, total = (Ranks(), len(strong)) if ranks is None else (ranks, total)
    if settings.cut_mix:
        own, first = strong.numpy(), ranks.part(total).start
        plan = occlusion.plan_mix(total, own.shape[1], keyed_generator(_NAMESPACE, *key))
        patches = ranks.gather(torch.from_numpy(occlusion.cut_patches(own, first, plan)), total).numpy()
        strong = torch.from_numpy(occlusion.paste_patches(own, first, plan, patches))
    return UnlabeledBatch(weak, strong, turn, rotation, tuple(more), ranks.share(total))


def weak_views(source: HeadSubset, settings: SemiSupervisedRecipe, looks: Sequence[Look], *key: int) -> list[Tensor]:
    """The looks of teachers at every head of a subset, for the estimate of a threshold. → (n, S, S, 3) uint8 each."""
    images = [torch.empty((len(source), look.size, look.size, 3), dtype=torch.uint8) for look in looks]
    for place, index in enumerate(source.indices.tolist()):
        head = (_NAMESPACE, *key, index)
        crops = weak_crops(settings, keyed_generator(*head), head)
        drawn = draw_sizes(source.store, index, [(crops[look.crop], look.size) for look in looks])
        for batch, picture in zip(images, drawn, strict=True):
            batch[place] = torch.from_numpy(picture)
    return images
