"""Every key that a recipe of an older version may have is read, wherever such a recipe is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from semiuhpe.errors import RecipeError
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint
from semiuhpe.models.recipe_keys import OLD_KEYS, upgraded, upgraded_flag
from semiuhpe.training.pose.recipe import Recipe, SemiSupervisedRecipe


def at(recipe: Any, key: str) -> Any:
    for name in key.split("."):
        recipe = recipe[name]
    return recipe


@pytest.mark.parametrize("old", OLD_KEYS)
def test_each_old_key_has_its_place(old: str) -> None:
    group, name = old.split(".")
    before = {"steps": 3, group: {name: 0.25, **({"left_ratio": 0.5} if group == "semi" else {})}}
    kept = upgraded(before)
    assert at(kept, OLD_KEYS[old]) == 0.25
    assert kept["steps"] == 3
    assert "optimiser" not in kept
    assert name not in kept.get(group, {})
    assert at(before, old) == 0.25, "what was given is not touched"
    assert upgraded_flag(f"--{old}") == f"--{OLD_KEYS[old]}"


@pytest.mark.parametrize("old", OLD_KEYS)
def test_the_places_of_today_exist(old: str) -> None:
    today = dataclasses.asdict(Recipe(semi=SemiSupervisedRecipe()))
    at(today, OLD_KEYS[old])
    with pytest.raises(KeyError):
        at(today, old)


def test_todays_recipe_stays_as_it_is() -> None:
    today = dataclasses.asdict(Recipe(semi=SemiSupervisedRecipe()))
    assert upgraded(today) == today
    assert upgraded({"semi": None}) == {"semi": None}
    assert upgraded({"ema": 0.995, "batch": 16}) == {"ema": 0.995, "batch": 16}, "a detector's"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"optimiser": {"lr": 1}, "optimizer": {"lr": 1}}, "both optimiser.lr and optimizer.lr"),
        ({"semi": {"loss": "ce"}, "loss": {"unsupervised": "ce"}}, "both semi.loss and loss.unsupervised"),
        ({"optimiser": {"momentum": 1}}, "unknown key optimiser.momentum"),
    ],
)
def test_what_no_version_said_is_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        upgraded(recipe)


def test_checkpoints_of_older_versions_read_as_todays(tmp_path: Path) -> None:
    names = {"optimiser/0/step": "optimizer/0/step", "network/a.b": "current/a.b", "average/a.b": "averaged/a.b",
             "averaged/a.c": "averaged/a.c", "current/a.c": "current/a.c", "running/entropy": "running/entropy"}  # fmt: skip
    tensors = {old: torch.full((2,), float(place)) for place, old in enumerate(names)}
    state = {"step": 4, "recipe": {"model": {}, "optimiser": {"overreg": 1.5, "ema_decay": 0.5}}}
    save_checkpoint(tmp_path / "last.safetensors", tensors, state)
    read, known = load_checkpoint(tmp_path / "last.safetensors")
    assert read.keys() == set(names.values())
    assert all(torch.equal(read[new], tensors[old]) for old, new in names.items())
    assert known == {"step": 4, "recipe": {"model": {}, "loss": {"overreg": 1.5}, "ema": {"decay": 0.5}}}
