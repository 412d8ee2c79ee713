"""The pool of unlabelled heads of a run: their views and batches, and over time the threshold that is put to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semiuhpe.arrays import evenly_spread
from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.drawing.sheet import contact_sheet
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose import threshold as thresholds
from semiuhpe.training.pose.batches import UnlabeledBatch
from semiuhpe.training.pose.data import HeadSubset, spread_heads
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.step import Unsupervised
from semiuhpe.training.pose.step_metrics import unsupervised_values
from semiuhpe.training.pose.teachers import Precision, Teachers, weak_looks
from semiuhpe.training.pose.unlabelled import UnlabelledViews, as_batch, unlabelled_sources, weak_views
from semiuhpe.training.ranks import Ranks

_ON_A_SHEET = 48
_AT_ONCE = 256


class Pool:
    """The unlabelled heads of a run, with the teachers that look at them.

    recipe: one with `semi`. folder: where sheets are put. precision: the context in which the teacher runs, both for
    thresholds and for their use. ranks: the processes that share the pool and every batch.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, precision: Precision = nullcontext, ranks: Ranks | None = None
    ) -> None:
        if recipe.semi is None:
            raise ValueError("the recipe has no unlabelled heads")
        self.settings = recipe.semi
        self.folder = folder
        self.ranks = Ranks() if ranks is None else ranks
        self.seed, self.image_size = recipe.seed, recipe.model.image_size
        self.sources = unlabelled_sources(self.settings.unlabelled)
        self.teachers = Teachers(self.settings, precision, device=self.ranks.device, threads=recipe.threads or None)
        self.views = UnlabelledViews(self.sources, self.settings, recipe.seed, self.teachers.fixed_size)
        self.counts = [len(source) for source in self.sources]
        self.weights = [data.weight for data in self.settings.unlabelled]
        self.batch_size = round(recipe.batch_size * self.settings.ulb_batch_ratio)
        self.threshold = thresholds.fixed(self.settings.conf_thres)
        self.running = thresholds.RunningQuantile(
            self.settings.left_ratio, self.settings.running_window, balanced=self.settings.balanced
        )

    def batch(self, samples: Sequence[Tensor], step: int) -> UnlabeledBatch:
        """This process's part of the unlabelled batch of a step, with its cut-mix."""
        return as_batch(samples, self.settings, self.seed, step, total=self.batch_size, ranks=self.ranks)

    def threshold_for(self, belief: MatrixFisher) -> thresholds.Threshold:
        """The threshold of a step with these beliefs of the teacher, (n,): a running one follows those of all ranks."""
        if self.settings.threshold_kind == "running":
            seen = torch.stack([belief.entropy.float(), thresholds.azimuth_band(belief.mode).float()], -1)
            entropy, band = self.ranks.gather(seen, self.batch_size).unbind(-1)
            self.threshold = self.running.update(entropy, band.long())
        return self.threshold

    def values(self, seen: Unsupervised) -> dict[str, Any]:
        """What there is to log of a step, over all ranks."""
        values = unsupervised_values(seen, self.ranks, self.batch_size)
        return values | (self._named_threshold() if self.settings.threshold_kind == "running" else {})

    def _named_threshold(self) -> dict[str, dict[str, float]]:
        return {"thresholds": dict(zip(thresholds.BAND_NAMES, self.threshold.by_band, strict=True))}

    def estimate(self, teacher: PoseNet, step: int) -> dict[str, Any]:
        """Set the threshold from the teacher's entropies over the pool, and draw what it keeps and what it rejects.

        Each rank looks at its part of the pool; the quantile is that of all, the same on every rank.
        """
        heads = self._heads()
        parts = [
            self.ranks.gather(self._parameters(teacher, source, number, step), len(source))
            for number, source in enumerate(heads)
        ]
        belief = MatrixFisher(torch.cat(parts))
        self.threshold = thresholds.dynamic(belief, self.settings.left_ratio, balanced=self.settings.balanced)
        keep = self.threshold.keep(belief)
        if self.ranks.writes:
            shown = [(source, int(index)) for source in heads for index in source.indices]
            self._sheets(shown, belief.entropy, keep.numpy(), step)
        shares = thresholds.kept_shares(belief, keep)
        return {**self._named_threshold(), "pool": shares}

    def state(self) -> tuple[dict[str, Tensor], list[float | None]]:
        """What a resumed run needs of the threshold, as tensors and as JSON."""
        tensors = {"entropy": self.running.entropy, "band": self.running.band}
        by_band = [limit if math.isfinite(limit) else None for limit in self.threshold.by_band]
        return tensors if len(self.running.entropy) else {}, by_band

    def resume(self, tensors: Mapping[str, Tensor], by_band: Sequence[float | None]) -> None:
        """Inverse of `state`; a limit that is not finite keeps everything."""
        front, side, rear = (math.inf if limit is None else float(limit) for limit in by_band)
        self.threshold = thresholds.Threshold((front, side, rear))
        if tensors:
            self.running.entropy, self.running.band = tensors["entropy"], tensors["band"]

    def _parameters(self, teacher: PoseNet, source: HeadSubset, number: int, step: int) -> Tensor:
        """The teacher's beliefs about this process's part of a source. → (m, 3, 3) on the CPU."""
        own = source.indices[self.ranks.part(len(source))]
        parts = [torch.zeros(0, 3, 3)]
        for start in range(0, len(own), _AT_ONCE):
            part = HeadSubset(source.store, own[start : start + _AT_ONCE])
            looks = weak_looks(self.settings, self.image_size, self.teachers.fixed_size)
            images = weak_views(part, self.settings, looks, self.seed, step, number)
            answer = self.teachers.ask(teacher, [look.to(teacher.mean.device) for look in images])
            parts.append(answer.belief.parameter.cpu())
        return torch.cat(parts)

    def _heads(self) -> list[HeadSubset]:
        """All heads, or `threshold_limit` of them, spread over the sources by their sizes."""
        limit, total = self.settings.threshold_limit, sum(self.counts)
        if not 0 < limit < total:
            return self.sources
        return [spread_heads(source, max(1, round(limit * len(source) / total))) for source in self.sources]

    def _sheets(
        self,
        shown: Sequence[tuple[HeadSubset, int]],
        entropy: Tensor,
        keep: np.ndarray[Any, np.dtype[np.bool_]],
        step: int,
    ) -> None:
        """Two contact sheets, from the surest to the least sure: heads that are kept, and heads that are not."""
        order = np.argsort(entropy.numpy())
        for name, places in (("kept", order[keep[order]]), ("rejected", order[~keep[order]])):
            if len(places) == 0:
                continue
            evenly = places[evenly_spread(len(places), _ON_A_SHEET)]
            pictures = [shown[place][0].store.image(shown[place][1]) for place in evenly]
            captions = [f"H = {float(entropy[place]):.2f}" for place in evenly]
            path = self.folder / f"pool_{step:06d}_{name}.jpg"
            Image.fromarray(contact_sheet(pictures, captions=captions)).save(path, quality=90)
