"""What a training is made of. Every field is a key of the YAML recipe and a typed flag of `semiuhpe train`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from semiuhpe.errors import RecipeError
from semiuhpe.files import write_atomically
from semiuhpe.views.photometric import Photometric
from semiuhpe.views.warp import ViewRange


@dataclass
class LabelledData:
    """One source of labelled heads.

    store: folder of a head store; its "train" split is used. weight: its share of every batch, relative to the other
    sources'. validate: whether its "val" split counts in the choice of the best weights. limit: use only so many heads
    (0 = all), evenly spread.
    """

    store: str = ""
    weight: float = 1.0
    validate: bool = True
    limit: int = 0


@dataclass
class ModelRecipe:
    """The network: see `semiuhpe.models.pose_net.PoseNet`. image_size: pixels a side of the crop it sees."""

    backbone: str = "efficientnet_lite0"
    head: Literal["reference", "linear"] = "reference"
    dropout: float = 0.2
    pretrained: bool = True
    frozen_stages: int = 0
    image_size: int = 112


@dataclass
class OptimiserRecipe:
    """AdamW with a linear warm-up and a cosine to `final_lr_ratio`·lr; `schedule: constant` keeps lr as the paper does.

    ema_decay: of the averaged weights (parameters and buffers) that are validated and exported. overreg: ω of the
    negative log-likelihood (method §1). clip: largest gradient norm (0 = no clipping).
    """

    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    final_lr_ratio: float = 0.01
    ema_decay: float = 0.998
    overreg: float = 1.025
    clip: float = 5.0


def _labelled_view() -> ViewRange:
    return ViewRange(scale=(0.75, 1.3), shift=0.08, rotation=0.35, flip=0.5)


def _labelled_photometric() -> Photometric:
    return Photometric(
        brightness=0.3, contrast=0.35, saturation=0.5, gamma=0.4, tint=0.12, grey=0.1, low_resolution=0.4, smallest=22,
        blur=0.2, motion_blur=0.06, noise=0.2, jpeg=0.25,
    )  # fmt: skip


@dataclass
class Recipe:
    """A whole training run; `run` is its folder. Lengths are in optimiser steps.

    warm_size, warm_steps: so many first steps see smaller pictures (0 = none): most is learnt as well from them, faster.
    cut_occlusion: share of the heads with holes cut out. initial_weights: a .safetensors of a run to start from.
    validation_limit: heads of each validation split in use (0 = all).
    """

    run: str = "runs/pose"
    seed: int = 0
    steps: int = 5000
    batch_size: int = 32
    labelled: list[LabelledData] = field(default_factory=list)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    view: ViewRange = field(default_factory=_labelled_view)
    photometric: Photometric = field(default_factory=_labelled_photometric)
    warm_size: int = 0
    warm_steps: int = 0
    cut_occlusion: float = 0.3
    initial_weights: str = ""
    validate_every: int = 500
    validation_limit: int = 500
    checkpoint_every: int = 250
    log_every: int = 20
    workers: int = 1
    threads: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    tensorboard: bool = False


def check(recipe: Recipe) -> None:
    """Raise RecipeError for a recipe that cannot run, naming the key."""
    if not recipe.labelled:
        raise RecipeError("the recipe names no labelled data; add a store under 'labelled'")
    for index, source in enumerate(recipe.labelled):
        if not source.store:
            raise RecipeError(f"labelled[{index}].store is empty; name the folder of a head store")
        if source.weight <= 0:
            raise RecipeError(f"labelled[{index}].weight must be positive, got {source.weight}")
    for name in ("steps", "batch_size", "validate_every", "checkpoint_every", "log_every"):
        if getattr(recipe, name) < 1:
            raise RecipeError(f"{name} must be at least 1, got {getattr(recipe, name)}")
    if recipe.warm_steps and recipe.warm_size < 32:
        raise RecipeError(f"warm_size must be at least 32 pixels where there are warm_steps, got {recipe.warm_size}")
    low, high = recipe.view.scale
    if not 0 < low <= high:
        raise RecipeError(f"view.scale must be 0 < low <= high, got {recipe.view.scale}")
    if not 0 <= recipe.cut_occlusion <= 1:
        raise RecipeError(f"cut_occlusion is a probability, got {recipe.cut_occlusion}")


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe as plain JSON types."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return plain


def save(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as JSON."""
    write_atomically(path, (json.dumps(to_dict(recipe), indent=2) + "\n").encode())
