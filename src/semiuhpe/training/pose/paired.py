"""What does a change of a recipe do? Trainings that share seeds, steps and start, compared head by head.

The interval of a change is from resampling subjects with all their heads (a photo without a subject is one by itself); what
differs in sign between seeds is no effect. Only validation heads are looked at, never a test set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from semiuhpe.evaluation.metrics import bootstrap_interval
from semiuhpe.files.atomic import json_text, json_value, write_atomically
from semiuhpe.models.checkpoint import LAST
from semiuhpe.models.export import network_of
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.run_folder import RunFolder
from semiuhpe.training.pose.threshold import BAND_NAMES, BANDS_DEG
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.pose.validation import head_errors_deg, validation_sets

ERRORS = "errors.json"
Errors = dict[str, dict[str, list[Any]]]
"""By validation set: error_deg, subject and azimuth_deg of its heads."""


def heading(reference: str) -> str:
    """The first two lines of a table of `rows`, whose first cell the caller completes."""
    return f"| heads | n | {reference} | variant | change, degrees | by seed |\n" + "|---" * 6 + "|"


def errors_of(recipe: Recipe, *, progress: bool = False) -> Errors:
    """Train to the end, if it is not yet, and measure, if it is not yet: per set, each head's error, subject and azimuth.

    The weights are the averaged ones of the last step: the best ones would bring the luck of their choice along. Raises
    RecipeError where the folder is of another recipe.
    """
    result = Path(recipe.run) / ERRORS
    if result.exists():
        RunFolder(recipe, writes=False)  # results of another recipe are not taken for this one's
        known: Errors = json_value(result.read_text())
        return known
    Trainer(recipe, progress=progress).train()
    network, _ = network_of(Path(recipe.run) / LAST)
    found = {}
    for subset in validation_sets(recipe):
        found[subset.name] = {
            "error_deg": head_errors_deg(network, subset).tolist(),
            "subject": list(subset.subjects),
            "azimuth_deg": np.degrees(subset.azimuths).tolist(),
        }
    write_atomically(result, json_text(found).encode())
    return found


def rows(reference: list[dict[str, Any]], variant: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Set and band, heads, mean errors of both, their difference with its interval, and that of each seed."""
    found: list[tuple[str, ...]] = []
    for name in reference[0]:
        before, after = (np.array([seed[name]["error_deg"] for seed in runs]) for runs in (reference, variant))
        subjects = np.array(reference[0][name]["subject"])
        band = np.digitize(np.abs(reference[0][name]["azimuth_deg"]), BANDS_DEG)
        parts = [("", np.ones(len(band), bool)), *((f", {b}", band == i) for i, b in enumerate(BAND_NAMES))]
        for part, inside in parts:
            if not inside.any():
                continue
            change = (after - before)[:, inside]
            low, high = bootstrap_interval(change.mean(0), groups=subjects[inside])
            each = ", ".join(f"{value:+.2f}" for value in change.mean(1))
            found.append(
                (
                    f"{name}{part}",
                    str(int(inside.sum())),
                    f"{before[:, inside].mean():.2f}",
                    f"{after[:, inside].mean():.2f}",
                    f"{change.mean():+.2f} [{low:+.2f}, {high:+.2f}]",
                    each,
                )
            )
    return found
