"""How the processes of a training find each other: torchrun, SLURM, or started by the first of them."""

from __future__ import annotations

import inspect
import os
from datetime import timedelta
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed as torch_distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from semiuhpe.errors import RecipeError
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.ranks import Connection, Ranks


class _Shared(DDPStrategy):
    """Gradients are averaged through a connection that remembers whether it failed."""

    def __init__(self, connection: Connection, **options: Any) -> None:
        super().__init__(**options)
        self._connection = connection

    def setup_module(self, module: nn.Module) -> DistributedDataParallel:
        shared = super().setup_module(module)
        shared.register_comm_hook(None, lambda _, bucket: self._connection.average_gradients(bucket))
        return shared


def start(recipe: Recipe) -> tuple[Fabric, Ranks]:
    """Find the other ranks of a run, or start them, and connect with them.

    Under torchrun and srun the launcher says how many there are, else `devices` and `nodes` of the recipe do. Raises
    RecipeError where a batch is too small to be shared by so many, or the launcher cannot be followed.
    """
    devices, nodes = _launched(recipe)
    count = devices * nodes
    if count == 1:
        fabric = Fabric(accelerator=recipe.device, devices=1, precision=recipe.precision)
        return fabric, Ranks(device=fabric.device)
    unlabelled = [] if recipe.semi is None else [round(recipe.batch_size * recipe.semi.ulb_batch_ratio)]
    smallest = min([recipe.batch_size, *unlabelled])
    if smallest < count:
        raise RecipeError(f"{count} processes cannot share a batch of {smallest} heads; raise batch_size, or use fewer")
    # Buffers are agreed on after a step; sent at each forward pass they would change under the first of two passes.
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # before torch 2.14
    options: dict[str, Any] = {sync: False}
    connection = Connection()
    strategy = _Shared(connection, timeout=timedelta(seconds=recipe.rank_timeout_s), **options)
    try:
        fabric = Fabric(
            accelerator=recipe.device, devices=devices, num_nodes=nodes, strategy=strategy, precision=recipe.precision
        )
        fabric.launch()
    except ValueError as error:
        if not SLURMEnvironment.detect():
            raise
        raise RecipeError(f"SLURM and the recipe do not agree: {' '.join(str(error).split())}") from error
    return fabric, Ranks(fabric.global_rank, fabric.world_size, fabric.device, connection)


def _launched(recipe: Recipe) -> tuple[int, int]:
    """Processes on each machine, and machines."""
    if torch_distributed.is_available() and torch_distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        return devices, int(os.environ["WORLD_SIZE"]) // devices
    # Set by srun alone: in a batch script that starts no processes there is nobody to wait for.
    tasks, nodes = (int(os.environ.get(f"SLURM_STEP_NUM_{what}", 1)) for what in ("TASKS", "NODES"))
    if tasks > 1 and SLURMEnvironment.detect():
        if tasks % nodes or "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise RecipeError(
                f"srun started {tasks} processes on {nodes} machines; say --ntasks-per-node to sbatch or srun"
            )
        return tasks // nodes, nodes
    return recipe.devices, recipe.nodes
