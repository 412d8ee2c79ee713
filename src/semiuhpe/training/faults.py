"""What can end a training half-way, each said in one line with the step and the remedy; the run can always go on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from semiuhpe.errors import TrainingError
from semiuhpe.files.atomic import remove_leftovers
from semiuhpe.files.locks import FolderBusyError, FolderLock

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEVER = 2**62


@contextmanager
def alone_in(run: Path) -> Iterator[None]:
    """Hold the folder of a run while it is trained, and clear away what a killed one left half written.

    Raises TrainingError where another process trains into it.
    """
    try:
        lock = FolderLock(run)
    except FolderBusyError as error:
        raise TrainingError(
            f"{run}: {error.holder} trains into this folder; wait for it, or choose another --run"
        ) from error
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written to ({error.strerror or error}); choose another --run") from error
    with lock:
        remove_leftovers(run)
        yield


@contextmanager
def writing(run: Path, step: int) -> Iterator[None]:
    """Raise TrainingError in place of an OSError: what was to be written after `step` is not, the last checkpoint is."""
    try:
        yield
    except OSError as error:
        remedy = "make room there" if error.errno in _FULL else "see that it can be written to"
        raise TrainingError(
            f"{run}: step {step} could not be kept ({error.strerror or error}); {remedy}, then start the same command "
            "again: it goes on from the last checkpoint"
        ) from error


class LossWatch:
    """The first step whose loss is not finite, noticed without waiting for the device at every step."""

    def __init__(self) -> None:
        self._first: Tensor | None = None

    def see(self, loss: Tensor, step: int) -> None:
        """The loss of a step, a scalar on any device."""
        now = torch.where(torch.isfinite(loss.detach()), _NEVER, step)
        self._first = now if self._first is None else torch.minimum(self._first, now)

    @property
    def first(self) -> int | None:
        """The step, or None. Waits for the device."""
        step = _NEVER if self._first is None else int(self._first)
        return None if step == _NEVER else step


def all_finite(network: nn.Module) -> bool:
    """Whether every parameter is a number. Waits for the device."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters())


def diverged(run: Path, step: int, what: str, *, lr: str, clip: str, kept: int, best: Path | None) -> TrainingError:
    """The error of a training whose loss or weights are no numbers any more.

    what: which of them. lr, clip: the flags that tame it, with their values. kept: step of the last checkpoint, 0 = none.
    best: weights to start from, if there are any.
    """
    start = "" if best is None else f" from --initial_weights {best}"
    goes_on = f"; the same command goes on from step {kept}, which is sound" if kept else ""
    return TrainingError(
        f"{run}: step {step}: the {what} not finite, and nothing of it was kept; train with a lower {lr} or a smaller "
        f"{clip}, in another --run{start}{goes_on}"
    )
