"""Checkpoints: one safetensors file whose header carries the state as JSON; written whole or not at all.

Tensors are named by what they belong to: `current/…` the network as it is, `averaged/…` its moving average, `optimizer/…`,
`running/…` what a running threshold has seen. Checkpoints of older versions are read as if they were written today.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from semiuhpe.errors import WeightsError
from semiuhpe.files.atomic import json_text, json_value, write_atomically
from semiuhpe.models.recipe_keys import upgraded

LAST = "last.safetensors"

BEST = "best.safetensors"

CURRENT, AVERAGED, OPTIMIZER, RUNNING = "current", "averaged", "optimizer", "running"
"""Prefixes of tensors."""

_OLD_PREFIXES = {"optimiser": OPTIMIZER, "network": CURRENT, "average": AVERAGED}


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and a JSON state atomically; a readable copy of the state lies beside it as `.json`.

    Raises OSError where there is no room or no permission: then the file that was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
    write_atomically(path, save(copies, metadata={"state": json_text(state, sort_keys=True)}))
    write_atomically(path.with_suffix(".json"), (json_text(state, indent=2, sort_keys=True) + "\n").encode())


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and state of a checkpoint. Raises WeightsError if it is missing or damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {_today(key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        return tensors, _upgraded(json_value(metadata.get("state", "{}")))
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such checkpoint; give the path of a .safetensors file of a run") from error
    except (SafetensorError, ValueError, OSError) as error:
        raise WeightsError(f"{path}: not a readable checkpoint ({error}); train again or restore a copy") from error


def _today(key: str) -> str:
    prefix, slash, name = key.partition("/")
    return _OLD_PREFIXES.get(prefix, prefix) + slash + name


def _upgraded(state: dict[str, Any]) -> dict[str, Any]:
    recipe = state.get("recipe")
    return {**state, "recipe": upgraded(recipe)} if isinstance(recipe, dict) else state


def averaged_alone(path: Path) -> bytes:
    """A checkpoint's averaged weights and state as the content of a .safetensors, which is a checkpoint again: what
    evaluation, export and recipes read, without what only resuming needs. Raises WeightsError where there are none."""
    tensors, state = load_checkpoint(path)
    averaged = under_prefix(AVERAGED, tensors)
    if not averaged:
        raise WeightsError(f"{path}: has no averaged weights; give best.safetensors of a run folder")
    content: bytes = save(with_prefix(AVERAGED, averaged), metadata={"state": json_text(state, sort_keys=True)})
    return content


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every key prefixed with `prefix/`."""
    return {f"{prefix}/{key}": value for key, value in tensors.items()}


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under `prefix/`, without it."""
    start = f"{prefix}/"
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Load a state dict exactly. Raises WeightsError that names the first keys that do not fit."""
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{origin}: the weights do not fit the network ({reason}); check model.backbone") from error


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer as flat tensors `parameter number/name`."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{number}/{name}": torch.as_tensor(value) for number, values in state.items() for name, value in values.items()
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `optimizer_tensors`; learning rates are not part of it, they follow from the step."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
