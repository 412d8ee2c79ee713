"""Recipes and run folders of versions that spelled some keys otherwise: read, and gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.axes_heads import recipe_for, semi_for
from safetensors import safe_open
from safetensors.torch import save_file

from semiuhpe.cli.train import read_recipe
from semiuhpe.errors import RecipeError
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.models.recipe_keys import OLD_KEYS
from semiuhpe.training.pose.recipe import LossRecipe, Recipe, to_dict
from semiuhpe.training.pose.run_folder import RunFolder, begun_with
from semiuhpe.training.pose.trainer import Trainer

BEFORE = Path(__file__).parent / "fixtures" / "recipe_of_before.json"
"""The resolved recipe of a long run, as its folder kept it before the keys moved."""

FLAGS = {
    "optimiser.lr": ("0.5", 0.5), "optimiser.weight_decay": ("0.5", 0.5), "optimiser.warmup_steps": ("7", 7),
    "optimiser.schedule": ("constant", "constant"), "optimiser.final_lr_ratio": ("0.5", 0.5), "optimiser.clip": ("0.5", 0.5),
    "optimiser.distribution": ("rotation_laplace", "rotation_laplace"), "optimiser.overreg": ("1.5", 1.5),
    "optimiser.ema_decay": ("0.5", 0.5), "semi.loss": ("nll", "nll"), "semi.ssl_lambda": ("0.5", 0.5),
    "semi.lambda_ramp_steps": ("7", 7), "semi.teacher_decay": ("0.5", 0.5),
}  # fmt: skip


@pytest.fixture(autouse=True)
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than these trainings."""
    monkeypatch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)


def as_before(recipe: dict[str, Any]) -> dict[str, Any]:
    """A resolved recipe in the old spelling."""
    old: dict[str, Any] = json.loads(json.dumps(recipe))
    old["optimiser"] = {}
    for before, today in OLD_KEYS.items():
        (group, name), (new_group, new_name) = before.split("."), today.split(".")
        value = old[new_group].pop(new_name)
        if old[group] is not None:
            old[group][name] = value
    for key, value in (("accumulate", 1), ("layer_decay", 1.0)):
        assert old["optimizer"].pop(key) == value, "which no older version had"
    for group in ("optimizer", "loss", "ema"):
        assert not old.pop(group), "every other key of today has an old one"
    return old


def value_at(recipe: Recipe, key: str) -> Any:
    found: Any = recipe
    for name in key.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("old", OLD_KEYS)
def test_old_keys_are_read_from_files_and_flags(old: str, tmp_path: Path) -> None:
    word, value = FLAGS[old]
    group, name = old.split(".")
    path = tmp_path / "recipe.yml"
    path.write_text(yaml.safe_dump({"steps": 9, "seed": 3, group: {name: value}}))
    for argv in (
        ["--config", str(path), "--seed", "4"],
        [f"--config={path}", "--seed=4"],
        ["--steps", "9", "--seed", "4", f"--{old}", word],
        ["--steps", "9", "--seed", "4", f"--{old}={word}"],
        ["--steps", "9", "--seed", "4", f"--{group}", json.dumps({name: value})],
    ):
        recipe, _ = read_recipe(argv)
        assert value_at(recipe, OLD_KEYS[old]) == value
        assert (recipe.steps, recipe.seed) == (9, 4)


def test_a_file_with_both_spellings_is_named(tmp_path: Path) -> None:
    path = tmp_path / "both.yml"
    path.write_text("optimiser: {lr: 1}\noptimizer: {lr: 1}\n")
    with pytest.raises(RecipeError, match=r"both\.yml: the recipe says both optimiser\.lr and optimizer\.lr"):
        read_recipe(["--config", str(path)])


def test_the_folder_of_a_run_of_before_opens(tmp_path: Path) -> None:
    """Its own recipe again, in either spelling, is the same recipe; another value is not."""
    folder = tmp_path / "run"
    folder.mkdir()
    kept = folder / "recipe.json"
    kept.write_text(BEFORE.read_text())
    recipe, _ = read_recipe(["--config", str(BEFORE), "--run", str(folder)])
    assert recipe.optimizer.lr == 0.0007
    assert (recipe.ema.decay, recipe.loss.overreg, recipe.loss.distribution) == (0.999, 1.025, "matrix_fisher")
    recipe.model.pretrained = False  # as it is resolved where there are initial weights
    before = begun_with(folder)
    assert {key: before[key] for key in to_dict(recipe) if key != "run"} == {
        key: value for key, value in to_dict(recipe).items() if key != "run"
    }
    RunFolder(recipe)
    assert json.loads(kept.read_text())["optimizer"]["lr"] == 0.0007
    RunFolder(recipe)
    kept.write_text(BEFORE.read_text())
    recipe.loss = LossRecipe(overreg=1.0)
    with pytest.raises(RecipeError, match="was begun with another loss"):
        RunFolder(recipe)


def test_an_interrupted_run_of_before_goes_on_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"semi": semi_for(tmp_path, stage1_steps=2), "checkpoint_every": 3, "steps": 5}
    Trainer(recipe_for(tmp_path, run=str(tmp_path / "whole"), **settings), progress=False).train()
    recipe = recipe_for(tmp_path, run=str(tmp_path / "cut"), **settings)
    first = Trainer(recipe, progress=False)
    one_step = first._train_step

    def at_most_four(*arguments: Any) -> Any:
        if first.step == 4:
            raise KeyboardInterrupt
        return one_step(*arguments)

    monkeypatch.setattr(first, "_train_step", at_most_four)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    kept = tmp_path / "cut" / "recipe.json"
    kept.write_text(json.dumps(as_before(json.loads(kept.read_text()))))
    for name in ("last", "best"):
        write_as_before(tmp_path / "cut" / f"{name}.safetensors")
    again = Trainer(recipe, progress=False)
    assert again.step == 3
    again.train()
    whole, _ = load_checkpoint(tmp_path / "whole" / "last.safetensors")
    resumed, _ = load_checkpoint(tmp_path / "cut" / "last.safetensors")
    assert whole.keys() == resumed.keys()
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []


def write_as_before(path: Path) -> None:
    """A checkpoint in the old spelling of its tensors and its recipe."""
    with safe_open(str(path), framework="pt") as file:
        state = json.loads(file.metadata()["state"])
        tensors = {
            key.replace("optimizer/", "optimiser/"): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118
        }
    state["recipe"] = as_before(state["recipe"])
    save_file(tensors, str(path), metadata={"state": json.dumps(state)})
