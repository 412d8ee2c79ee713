"""Keys of pose recipes as older versions spelled them; here, because checkpoints carry recipes.

`upgraded` brings a recipe, of a YAML file, a run folder or a checkpoint, to the spelling of today; values stay.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from semiuhpe.errors import RecipeError

OLD_KEYS = {
    "optimiser.lr": "optimizer.lr",
    "optimiser.weight_decay": "optimizer.weight_decay",
    "optimiser.warmup_steps": "optimizer.warmup_steps",
    "optimiser.schedule": "optimizer.schedule",
    "optimiser.final_lr_ratio": "optimizer.final_lr_ratio",
    "optimiser.clip": "optimizer.clip",
    "optimiser.distribution": "loss.distribution",
    "optimiser.overreg": "loss.overreg",
    "optimiser.ema_decay": "ema.decay",
    "semi.loss": "loss.unsupervised",
    "semi.ssl_lambda": "loss.ssl_lambda",
    "semi.lambda_ramp_steps": "loss.lambda_ramp_steps",
    "semi.teacher_decay": "ema.teacher_decay",
}
"""Old key → the key of today."""


def upgraded(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, or what a file says of one, with the keys of today.

    Raises RecipeError where it has both spellings of a key, or one that no version ever had under `optimiser`.
    """
    new: dict[str, Any] = copy.deepcopy(dict(recipe))
    for old, key in OLD_KEYS.items():
        (old_group, old_name), (group, name) = old.split("."), key.split(".")
        inside = new.get(old_group)
        if not isinstance(inside, dict) or old_name not in inside:
            continue
        target = new.setdefault(group, {})
        if not isinstance(target, dict) or name in target:
            raise RecipeError(f"the recipe says both {old} and {key}, which is the same; leave out the former")
        target[name] = inside.pop(old_name)
    rest = new.get("optimiser")
    if rest:
        name = next(iter(rest)) if isinstance(rest, dict) else rest
        raise RecipeError(f"unknown key optimiser.{name}; the keys of a recipe are those of semiuhpe train --help")
    new.pop("optimiser", None)
    return new


def upgraded_flag(flag: str) -> str:
    """`--optimiser.lr` → `--optimizer.lr`, and what is no old flag as it is."""
    key = flag.removeprefix("--")
    return f"--{OLD_KEYS[key]}" if flag.startswith("--") and key in OLD_KEYS else flag
