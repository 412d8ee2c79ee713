"""Trainings shared by processes on this machine, connected as torchrun would connect them, and one that loses a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.time_limits import within


def run_ranks(count: int, target: Callable[..., None], *arguments: Any, limit_s: float = 150) -> list[int | None]:
    """Run `target(*arguments)` in `count` processes; their exit codes, None for one that had to be stopped."""
    # Imports once, then forks: a process costs little, and inherits nothing from the tests before.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["semiuhpe.training.pose.trainer"])
    port = free_port()
    processes = [
        context.Process(target=_as_rank, args=(rank, count, port, target, arguments), daemon=True)
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + within(limit_s)
    for process in processes:
        process.join(max(0.1, deadline - time.monotonic()))
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _as_rank(rank: int, count: int, port: int, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "tests",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    target(*arguments)


def train_and_compare(recipe: Any) -> None:
    """Train; fail where the processes do not end with the same student and the same teacher."""
    import torch
    from torch import distributed

    from semiuhpe.training.pose.trainer import Trainer

    trainer = Trainer(recipe, progress=False)
    assert trainer.ranks.count == int(os.environ["WORLD_SIZE"])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trainer.train()
    assert not [warning for warning in told if "strides" in str(warning.message)], "gradients are copied one by one"
    for network in (trainer.network, trainer.teacher.network):
        own = torch.cat([value.flatten().double() for value in network.state_dict().values()])
        first = own.clone()
        distributed.broadcast(first, 0)
        assert torch.equal(own, first), f"rank {trainer.ranks.number} has other weights"


def train_until_a_rank_dies(recipe: Any, step: int, told: str) -> None:
    """Train; the last process is killed before `step`, the others write what they were told to `told`."""
    from semiuhpe.errors import SemiUHPEError
    from semiuhpe.training.pose.trainer import Trainer

    class Mortal(Trainer):
        def _train_step(self, *arguments: Any) -> Any:
            if self.ranks.number == self.ranks.count - 1 and self.step == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return super()._train_step(*arguments)

    try:
        Mortal(recipe, progress=False).train()
    except SemiUHPEError as error:
        Path(told).write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error
