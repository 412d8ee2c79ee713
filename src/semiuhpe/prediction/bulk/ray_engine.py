"""Bulk runs on Ray: a pool of actors that Ray Data feeds with units.

Ray Data restarts an actor that died and gives its unit to another, as often as it takes; results are files named by the
unit, so a unit that is done twice leaves them once (`semiuhpe.prediction.bulk.plan`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from semiuhpe.errors import MissingExtraError
from semiuhpe.prediction.bulk.plan import Unit
from semiuhpe.prediction.bulk.storage import Place, place
from semiuhpe.prediction.bulk.worker import Settings, Worker
from semiuhpe.weights.devices import card_number


class PoseActor:
    """A worker as Ray Data calls it: a batch of units as columns in, what they held as columns out."""

    def __init__(self, settings: Settings, output: str) -> None:
        self._worker = Worker(settings, place(output))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        done = [self._worker.do(Unit.from_json(str(line))) for line in batch["unit"]]
        return {name: [entry[name] for entry in done] for name in ("unit", "inputs", "heads", "errors")}


UNITS_OF_A_WAVE = 10_000
"""What Ray is given at once: its driver keeps account of every block, and the object store holds what is to be done."""


def ray_engine(address: str | None = None, actors: int = 0, wave: int = UNITS_OF_A_WAVE) -> Any:
    """An engine for `run_bulk`.

    address: of a cluster, None = the one that Ray finds, or a new one on this machine. actors: how many, 0 = as many as
    the cluster has processors for. wave: units that Ray is given at once. Raises MissingExtraError where Ray is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("predict --engine ray", "ray") from error

    def engine(settings: Settings, output: Place, units: Sequence[Unit]) -> Iterator[dict[str, int]]:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        cuda = card_number(settings.device) is not None
        room = int(ray.cluster_resources().get("GPU" if cuda else "CPU", 1) // (1 if cuda else settings.threads))
        count = max(1, min(actors or room, len(units)))
        for start in range(0, len(units), wave):
            some = units[start : start + wave]
            # Ray Data restarts actors and repeats their tasks without end unless told otherwise; from 2.64 on it takes no
            # arguments that would say so. A block a unit: an actor that dies takes one unit along, not its neighbours in a block.
            items = ray.data.from_items([{"unit": unit.to_json()} for unit in some], override_num_blocks=len(some))
            done = items.map_batches(
                PoseActor,
                fn_constructor_kwargs={"settings": settings, "output": output.url},
                batch_size=1,
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(size=min(count, len(some))),
                num_cpus=None if cuda else settings.threads,
                num_gpus=1 if cuda else None,
            )
            for row in done.iter_rows():
                yield {name: int(value) for name, value in row.items()}

    return engine
