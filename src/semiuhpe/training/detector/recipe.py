"""Everything that decides what a detector run becomes, as one typed record that YAML and flags fill in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from semiuhpe.errors import RecipeError
from semiuhpe.sources.split_by import SplitBy


@dataclass(frozen=True)
class DetectorRecipe:
    """Settings of a detector run.

    run: folder of the run. photos: SCUT-HEAD folder. split_by: how its photos are split, see `split_by.SplitBy`; weights
    that start from released ones keep to a split whose test photos those have not seen. excluded: CSV whose `photo`
    column is kept out of training. helmet_workers: HelmetWorkers folder, "" for none; helmet_repeats: how often each of
    its photos is among the others. hard: CSV of false heads on these photos, as `--mine` writes it, "" for none.
    portraits: folders of landmarked faces. renders: head store, "" for none; render_count: how many of it.
    headless: folders of pictures without heads, and "skimage". initial: checkpoint of another run whose averaged
    weights this one starts from, an exported .onnx, "default" for the embedded one, "" for ImageNet's.
    initial_backbone: checkpoint of another run, maybe of a wider or deeper network, whose averaged backbone alone this
    one starts from, "" for ImageNet's. channels: width of the new layers. stages: of the backbone, 5, or 4 for a network
    that is smaller and faster. frozen_stages: of those. size: scene side.
    learning_rate: of the new layers; the backbone's is backbone_rate times that. ema: decay of the averaged weights
    that are validated and exported. photo_share … distractor_share: see `scenes.Mix`. Counts are optimizer steps.
    """

    run: str = "runs/detector"
    photos: str = ""
    split_by: str = "content"
    excluded: str = ""
    helmet_workers: str = ""
    helmet_repeats: int = 1
    hard: str = ""
    portraits: list[str] = field(default_factory=list)
    renders: str = ""
    render_count: int = 0
    headless: list[str] = field(default_factory=list)
    initial: str = ""
    initial_backbone: str = ""
    channels: int = 64
    stages: int = 5
    frozen_stages: int = 2
    size: int = 256
    batch: int = 16
    steps: int = 1600
    warmup: int = 60
    learning_rate: float = 1.5e-3
    backbone_rate: float = 0.25
    weight_decay: float = 0.02
    box_weight: float = 1.0
    ema: float = 0.995
    seed: int = 0
    threads: int = 1
    checkpoint_every: int = 100
    validate_every: int = 400
    validate_photos: int = 40
    photo_share: float = 0.58
    zoom_share: float = 0.18
    paste_share: float = 0.18
    headless_share: float = 0.06
    mosaic_share: float = 0.0
    hard_share: float = 0.0
    render_share: float = 0.5
    turned_share: float = 0.0
    distractor_share: float = 0.0

    def __post_init__(self) -> None:
        if self.split_by not in get_args(SplitBy):
            raise RecipeError(f"split_by is one of {', '.join(get_args(SplitBy))}, got {self.split_by!r}")
        for name in (
            "batch",
            "steps",
            "size",
            "channels",
            "checkpoint_every",
            "validate_every",
            "threads",
            "helmet_repeats",
        ):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.stages not in (4, 5):
            raise RecipeError(f"stages is 4 or 5, got {self.stages}")
        if self.initial and self.initial_backbone:
            raise RecipeError("give either initial or initial_backbone, not both")
        if self.size % 32:
            raise RecipeError(f"size must be a multiple of 32, got {self.size}")
        if not 0 <= self.ema < 1:
            raise RecipeError(f"ema must be in [0, 1), got {self.ema}")


def read_recipe(path: str | None, overrides: Mapping[str, Any]) -> DetectorRecipe:
    """A recipe from a YAML file, then from `overrides` (None means not given).

    Raises RecipeError for a file that cannot be read, an unknown key or a value of the wrong type.
    """
    from semiuhpe.training import recipe_io

    values = {} if path is None else recipe_io.read_recipe(path)
    values.update({key: value for key, value in overrides.items() if value is not None})
    return recipe_io.typed(DetectorRecipe, values, "the recipe" if path is None else str(path))


def to_dict(recipe: DetectorRecipe) -> dict[str, Any]:
    """The recipe as JSON values."""
    return dataclasses.asdict(recipe)
