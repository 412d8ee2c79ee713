"""Batches and their sampler: what a batch is, and which heads make up step number t.

The latter is a pure function of (seed, t), so a run can resume at any step.

Each source is an endless stream of shuffled passes over its heads; a batch takes from each stream in
proportion to its weight, and the running totals never drift from the proportion by more than one head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from semiuhpe.views.warp import keyed_generator


@dataclass(frozen=True)
class LabeledBatch:
    """n labelled heads, this process's part of a batch.

    Attributes:
        images: (n, S, S, 3) uint8 RGB.
        rotation: (n, 3, 3) float32 label, camera←head.
        target: (n, 3, 3) float32, `E[R]` of the belief that the label is, which is the rotation where it is exact.
        share: factor with which the mean over this part, averaged over the processes, is that of the batch; 1 where
            there is one process.
    """

    images: Tensor
    rotation: Tensor
    target: Tensor
    share: float = 1.0

    def to(self, device: torch.device) -> LabeledBatch:
        """The same on another device.

        Args:
            device: the device.

        Returns:
            The batch.
        """
        images, rotation, target = (
            part.to(device, non_blocking=True) for part in (self.images, self.rotation, self.target)
        )
        return LabeledBatch(images, rotation, target, self.share)


@dataclass(frozen=True)
class UnlabeledBatch:
    """Two views of n unlabelled heads, or more where teachers look more than once.

    Attributes:
        weak: (n, S, S, 3) uint8 RGB.
        strong: (n, S, S, 3) uint8 RGB.
        turn: (n, 3, 3) float32, camera of the strong view ← camera of the weak one.
        rotation: (n, 3, 3) float32 label of the weak view where the store knows one, else NaN; only compared with.
        more: further weak views of the same pose, in the order of `semiuhpe.training.pose.teachers.weak_looks`.
        share: as of a labelled batch.
    """

    weak: Tensor
    strong: Tensor
    turn: Tensor
    rotation: Tensor
    more: tuple[Tensor, ...] = ()
    share: float = 1.0

    @property
    def looks(self) -> tuple[Tensor, ...]:
        """Everything that the teachers look at."""
        return (self.weak, *self.more)

    def to(self, device: torch.device) -> UnlabeledBatch:
        """The same on another device.

        Args:
            device: the device.

        Returns:
            The batch.
        """
        weak, strong, turn, rotation, *more = (
            part.to(device, non_blocking=True)
            for part in (self.weak, self.strong, self.turn, self.rotation, *self.more)
        )
        return UnlabeledBatch(weak, strong, turn, rotation, tuple(more), self.share)


@dataclass(frozen=True)
class SampleKey:
    """One sample of a run.

    Attributes:
        source: number of the source.
        position: within the source's heads.
        epoch: which pass over them this is.
        size: pixels a side of the picture that the step sees.
    """

    source: int
    position: int
    epoch: int
    size: int


class StepSampler(Sampler[list[SampleKey]]):
    """Batches of keys for the steps `first`, ..., `last − 1`.

    Args:
        counts: heads in each source.
        weights: their shares of a batch, relative to each other.
        batch_size: heads in a batch, those of all processes.
        seed: of the random numbers.
        first: first step.
        last: the step after the last.
        picture_size: step → pixels a side.
        part: the entries of every batch that are handed out, where several processes share one.
    """

    def __init__(
        self,
        counts: Sequence[int],
        weights: Sequence[float],
        batch_size: int,
        *,
        seed: int,
        first: int,
        last: int,
        picture_size: Callable[[int], int],
        part: slice = slice(None),
    ) -> None:
        self.counts = list(counts)
        self.picture_size, self.part = picture_size, part
        total = float(sum(weights))
        self.edges = [0.0, *accumulate(w / total for w in weights)]
        self.batch_size, self.seed, self.first, self.last = batch_size, seed, first, last
        self._permutation = lru_cache(maxsize=2 * len(self.counts))(self._draw_permutation)

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for step in range(self.first, self.last):
            yield self.batch(step)[self.part]

    def batch(self, step: int) -> list[SampleKey]:
        """The keys of one step, those of all processes.

        Args:
            step: number of the step.

        Returns:
            `batch_size` keys.
        """
        keys = []
        size = self.picture_size(step)
        for source in range(len(self.counts)):
            begin = self._drawn(source, step * self.batch_size)
            end = self._drawn(source, (step + 1) * self.batch_size)
            keys += [self._key(source, count, size) for count in range(begin, end)]
        return keys

    def _drawn(self, source: int, total: int) -> int:
        """How many of the first `total` samples of the run come from this source; sums to `total` over the sources."""
        return round(total * self.edges[source + 1]) - round(total * self.edges[source])

    def _key(self, source: int, count: int, size: int) -> SampleKey:
        epoch, place = divmod(count, self.counts[source])
        return SampleKey(source, int(self._permutation(source, epoch)[place]), epoch, size)

    def _draw_permutation(self, source: int, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return keyed_generator(self.seed, source, epoch).permutation(self.counts[source])
