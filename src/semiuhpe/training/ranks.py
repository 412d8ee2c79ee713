"""The processes ("ranks") that train one network together, and what they exchange.

Every batch is that of the whole run. The ranks cut it into consecutive parts, so that what is gathered stands in the order
in which one process would have had it, and a run follows from its recipe and not from the number of its ranks. What
differs all the same: the last digits of sums, dropout masks, and on CPUs the statistics of batch norms that train.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as torch_distributed
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.modules.batchnorm import _BatchNorm

from semiuhpe.errors import RankLostError


class Connection:
    """What a process sends to the others and gets from them goes through here, which tells whether that ever failed.

    Backends fail with errors that look like any other; where one was raised is what tells them.
    """

    def __init__(self) -> None:
        self.broken = False

    @contextmanager
    def used(self) -> Iterator[None]:
        """Whatever fails within is a failure of the connection."""
        try:
            yield
        except RuntimeError:
            self.broken = True
            raise

    def average_gradients(self, bucket: Any) -> torch.futures.Future[Tensor]:
        """The mean over the ranks of a `GradBucket`, as `DistributedDataParallel` has it by itself."""

        def received(sent: torch.futures.Future[Tensor]) -> Tensor:
            with self.used():
                return sent.value()

        with self.used():
            return allreduce_hook(None, bucket).then(received)  # type: ignore[arg-type]


def _with_strides(strides: tuple[int, ...], gradient: Tensor) -> Tensor:
    """The same values with these strides, of a dense tensor; a view where the order in memory is the same."""
    if gradient.stride() == strides:
        return gradient
    lengths = zip(gradient.shape, gradient.stride(), strides, strict=True)
    if all(length == 1 or own == wanted for length, own, wanted in lengths):
        return gradient.as_strided(gradient.shape, strides)
    return gradient.new_empty_strided(gradient.shape, strides).copy_(gradient)


class Ranks:
    """This process among all of the run. One process alone is the case `count` 1, in which nothing is sent or copied.

    number: of this process, 0 .. count − 1. device: where its tensors are. connection: with the others.
    """

    def __init__(
        self,
        number: int = 0,
        count: int = 1,
        device: torch.device | None = None,
        connection: Connection | None = None,
    ) -> None:
        self.number, self.count = number, count
        self.connection = Connection() if connection is None else connection
        self.device = torch.device("cpu") if device is None else device

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.number == 0

    def sizes(self, total: int) -> list[int]:
        """How many of `total` entries each rank has; they differ by one at most."""
        return [total // self.count + (rank < total % self.count) for rank in range(self.count)]

    def part(self, total: int) -> slice:
        """Which of `total` entries are this process's."""
        ends = [0, *accumulate(self.sizes(total))]
        return slice(ends[self.number], ends[self.number + 1])

    def share(self, total: int) -> float:
        """Factor on the mean over this process's part, so that the mean over the ranks is the mean over all entries."""
        return self.sizes(total)[self.number] * self.count / total

    def gather(self, part: Tensor, total: int) -> Tensor:
        """The parts of all ranks one after the other, on the device of `part`. (part of total, ...) → (total, ...)."""
        if self.count == 1:
            return part
        sizes = self.sizes(total)
        if len(part) != sizes[self.number]:
            raise ValueError(f"rank {self.number} has {len(part)} of {total} entries, not {sizes[self.number]}")
        padded = torch.zeros((max(sizes), *part.shape[1:]), dtype=part.dtype, device=self.device)
        padded[: len(part)] = part
        everyone = [torch.empty_like(padded) for _ in sizes]
        with self.connection.used():
            torch_distributed.all_gather(everyone, padded)
        return torch.cat([one[:size] for one, size in zip(everyone, sizes, strict=True)]).to(part.device)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the ranks, the same on each."""
        if self.count == 1:
            return value
        total = value.detach().to(self.device, copy=True)
        with self.connection.used():
            torch_distributed.all_reduce(total)
        return (total / self.count).to(value.device)

    def wait(self) -> None:
        """Go on when every rank has come this far: what one wrote, all may read."""
        if self.count > 1:
            self.mean(torch.zeros(()))

    def agree_on_statistics(self, network: nn.Module) -> None:
        """Give every rank the mean of the statistics that its batch norms took from its own part of a batch."""
        if self.count == 1 or self.device.type == "cuda":  # there they were taken from the whole batch
            return
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
        running = [norm.running_mean for norm in norms] + [norm.running_var for norm in norms]
        buffers = [buffer for buffer in running if buffer is not None]
        if buffers:
            sizes = [buffer.numel() for buffer in buffers]
            flat = self.mean(torch.cat([buffer.flatten() for buffer in buffers]))
            for buffer, value in zip(buffers, torch.split(flat, sizes), strict=True):
                buffer.copy_(value.view_as(buffer))

    def align_gradients(self, network: nn.Module) -> None:
        """Let every gradient have the strides of its parameter, as the buckets have in which gradients are averaged.

        With pictures in channels_last order those of 1×1 convolutions come with other strides for axes of length one: the
        same numbers in the same order, which would be copied one by one. A view of them costs nothing.
        """
        if self.count > 1:
            for parameter in network.parameters():
                if parameter.requires_grad:
                    parameter.register_hook(partial(_with_strides, parameter.stride()))  # type: ignore[no-untyped-call]

    @contextmanager
    def errors_explained(self) -> Iterator[None]:
        """Raise RankLostError in place of what a communication says that another rank has left."""
        try:
            yield
        except RuntimeError as error:
            if not (self.connection.broken or isinstance(error, torch_distributed.DistError)):
                raise
            raise RankLostError(self.number, self.count) from error
