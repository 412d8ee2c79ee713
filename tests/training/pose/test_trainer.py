"""A run is a pure function of its recipe, also across a kill."""

from __future__ import annotations

import itertools
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.axes_heads import make_store, recipe_for, semi_for
from helpers.time_limits import within

from semiuhpe.errors import RecipeError
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.metrics_log import append_metrics
from semiuhpe.training.optimizer import learning_rate
from semiuhpe.training.pose.batches import SampleKey
from semiuhpe.training.pose.data import LabelledViews, training_sources
from semiuhpe.training.pose.recipe import (
    EmaRecipe,
    LabelledData,
    LossRecipe,
    ModelRecipe,
    OptimizerRecipe,
    ValidationData,
)
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.pose.validation import Scores
from semiuhpe.views.photometric import Photometric
from semiuhpe.views.warp import ViewRange


def metrics_of(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_s"} for line in lines]


def second_stage_in_bfloat16(tmp_path: Path) -> dict[str, object]:
    model = ModelRecipe("mobilenetv4_conv_small", pretrained=False, image_size=48, channels_last=True)
    return {"semi": semi_for(tmp_path), "precision": "bf16-mixed", "model": model}


def test_resumed_where_stage_1_ended_a_run_ends_the_same_whatever_stage_2_had_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = itertools.count(100, -1)  # each validation is the best so far
    monkeypatch.setattr(
        "semiuhpe.training.pose.trainer.validate", lambda *_: Scores({"mean": float(next(falling))}, {})
    )
    settings = {"semi": semi_for(tmp_path), "checkpoint_every": 100}
    Trainer(recipe_for(tmp_path, run=str(tmp_path / "whole"), **settings), progress=False).train()

    recipe = recipe_for(tmp_path, run=str(tmp_path / "cut"), **settings)
    first = Trainer(recipe, progress=False)
    one_step = first._train_step

    def at_most_seven(*args: Any) -> Any:
        if first.step == 7:
            raise KeyboardInterrupt
        return one_step(*args)

    monkeypatch.setattr(first, "_train_step", at_most_seven)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    again = Trainer(recipe, progress=False)
    assert again.step == 5 and load_checkpoint(tmp_path / "cut" / "best.safetensors")[1]["step"] == 6
    again.train()

    whole, _ = load_checkpoint(tmp_path / "whole" / "last.safetensors")
    resumed, _ = load_checkpoint(tmp_path / "cut" / "last.safetensors")
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []


@pytest.mark.parametrize("semi", [False, True])
def test_killed_at_a_random_step_the_run_ends_the_same(tmp_path: Path, semi: bool, rng: np.random.Generator) -> None:
    extra = second_stage_in_bfloat16(tmp_path) if semi else {}
    Trainer(recipe_for(tmp_path, run=str(tmp_path / "whole"), **extra), progress=False).train()

    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from helpers.axes_heads import recipe_for\n"
        "from test_trainer import second_stage_in_bfloat16\n"
        "from semiuhpe.training.pose.trainer import Trainer\n"
        f"folder = Path(sys.argv[1]); extra = second_stage_in_bfloat16(folder) if {semi} else dict()\n"
        "Trainer(recipe_for(folder, run=sys.argv[1] + '/killed', **extra), progress=False).train()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    metrics = tmp_path / "killed" / "metrics.jsonl"
    wanted = int(rng.integers(5, 13))
    process = subprocess.Popen(command)
    deadline = time.monotonic() + within(120)
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) >= wanted:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait(timeout=within(120)) == -signal.SIGKILL, f"the run was to be killed at line {wanted}"
    assert subprocess.run(command, check=False, timeout=within(200)).returncode == 0

    first, _ = load_checkpoint(tmp_path / "whole" / "last.safetensors")
    second, _ = load_checkpoint(tmp_path / "killed" / "last.safetensors")
    assert first.keys() == second.keys()
    differing = [key for key in first if not torch.equal(first[key], second[key])]
    assert not differing
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "killed")


def test_validation_heads_choose_the_best_weights_and_test_heads_nothing(tmp_path: Path) -> None:
    """The reference keeps the weights that do best on the test set."""
    best = []
    for name, val, test in (("a", 0, 0), ("b", 0, 1), ("c", 1, 0)):
        store = make_store(tmp_path / name, splits=("val", "test", "train", "train", "train"), swapped=(val, test))
        recipe = recipe_for(
            tmp_path, run=str(tmp_path / f"run_{name}"), labelled=[LabelledData(str(store))], validate_every=2
        )
        Trainer(recipe, progress=False).train()
        _, state = load_checkpoint(tmp_path / f"run_{name}" / "best.safetensors")
        scores = [
            line["validation_averaged_deg"]["mean"]
            for line in metrics_of(tmp_path / f"run_{name}")
            if "validation_averaged_deg" in line
        ]
        assert state["validation_deg"]["mean"] == min(scores)
        best.append((state["step"], state["validation_deg"]["mean"]))
    assert best[0] == best[1]
    assert best[0][1] != best[2][1]


def test_a_run_learns_to_read_axes(tmp_path: Path) -> None:
    recipe = recipe_for(
        tmp_path,
        steps=60,
        batch_size=16,
        validate_every=60,
        optimizer=OptimizerRecipe(lr=2e-3, warmup_steps=5),
        ema=EmaRecipe(0.9, 0.9),
    )
    Trainer(recipe, progress=False).train()
    values = [line["nll"] for line in metrics_of(tmp_path / "run") if "nll" in line]
    assert np.mean(values[-8:]) < np.mean(values[:8]) - 0.3


def test_loader_workers_change_nothing(tmp_path: Path) -> None:
    for workers in (0, 1):
        run = str(tmp_path / f"workers{workers}")
        Trainer(recipe_for(tmp_path, run=run, steps=2, validate_every=2, workers=workers), progress=False).train()
    assert metrics_of(tmp_path / "workers0") == metrics_of(tmp_path / "workers1")


def test_tensorboard_gets_the_metrics(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    Trainer(recipe_for(tmp_path, steps=2, validate_every=2, tensorboard=True), progress=False).train()
    events = accumulator.EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert [event.step for event in events.Scalars("nll")] == [1, 2]
    assert "validation_averaged_deg/store" in events.Tags()["scalars"]


def killed_before_its_first_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """A run that ends at step 3 of 6 without a checkpoint, and is started again."""
    recipe = recipe_for(tmp_path, steps=6, checkpoint_every=100, validate_every=6, **settings)
    first = Trainer(recipe, progress=False)
    one_step = first._train_step

    def at_most_three(*args: Any) -> Any:
        if first.step == 3:
            raise KeyboardInterrupt
        return one_step(*args)

    monkeypatch.setattr(first, "_train_step", at_most_three)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert [line["step"] for line in metrics_of(tmp_path / "run")] == [1, 2, 3]
    Trainer(recipe, progress=False).train()


def test_a_run_killed_before_its_first_checkpoint_repeats_no_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_its_first_checkpoint(tmp_path, monkeypatch)
    assert [line["step"] for line in metrics_of(tmp_path / "run") if "nll" in line] == [1, 2, 3, 4, 5, 6]


def test_tensorboard_forgets_what_a_resumed_run_does_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    killed_before_its_first_checkpoint(tmp_path, monkeypatch, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert [event.step for event in events.Scalars("nll")] == [1, 2, 3, 4, 5, 6]


def test_metrics_are_json_whatever_is_not_finite(tmp_path: Path) -> None:
    append_metrics(tmp_path / "m.jsonl", {"step": 1, "a": math.inf, "b": {"c": math.nan, "d": [1.5, -math.inf]}})
    text = (tmp_path / "m.jsonl").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"step": 1, "a": None, "b": {"c": None, "d": [1.5, None]}}
    semi = semi_for(tmp_path, left_ratio=1.0)
    Trainer(recipe_for(tmp_path, semi=semi, steps=6, checkpoint_every=3), progress=False).train()
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    json.loads((tmp_path / "run" / "last.json").read_text(), parse_constant=pytest.fail)
    again = Trainer(recipe_for(tmp_path, semi=semi, steps=6, checkpoint_every=3), progress=False)
    assert again.pool is not None
    assert again.pool.threshold.by_band == (math.inf,) * 3


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    Trainer(recipe_for(tmp_path), progress=False)
    with pytest.raises(RecipeError, match="seed"):
        Trainer(recipe_for(tmp_path, seed=6), progress=False)


def without(plain: Any, keys: set[str]) -> Any:
    if isinstance(plain, dict):
        return {key: without(value, keys) for key, value in plain.items() if key not in keys}
    return [without(value, keys) for value in plain] if isinstance(plain, list) else plain


def test_a_run_begun_before_a_key_existed_goes_on(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, semi=semi_for(tmp_path))
    Trainer(recipe, progress=False)
    known = tmp_path / "run" / "recipe.json"
    later = {"validation", "any_rotation", "reflect", "noise", "sigma_deg", "sigma_scale", "max_sigma_deg", "threshold",
             "running_window", "agreement_deg", "teacher_crops", "teacher_weights", "teacher_weights_share"}  # fmt: skip
    older = without(json.loads(known.read_text()), later)
    known.write_text(json.dumps(older))
    Trainer(recipe, progress=False)
    known.write_text(json.dumps(older))
    with pytest.raises(RecipeError, match="validation"):
        Trainer(
            recipe_for(tmp_path, semi=semi_for(tmp_path), validation=[ValidationData(recipe.labelled[0].store)]),
            progress=False,
        )


def test_a_run_that_once_fetched_by_default_goes_on_without_a_word(tmp_path: Path) -> None:
    """Recipes used to say `pretrained: true` of every backbone, also where initial weights replaced all."""
    said, silent = (ModelRecipe("mobilenetv4_conv_small", pretrained=word, image_size=48) for word in (False, None))
    with pytest.raises(RecipeError, match=r"say --model\.pretrained true"):
        Trainer(recipe_for(tmp_path, model=silent), progress=False)
    Trainer(recipe_for(tmp_path, model=said, steps=4), progress=False).train()
    known = tmp_path / "run" / "recipe.json"
    known.write_text(json.dumps(with_pretrained(known, True)))
    resumed = Trainer(recipe_for(tmp_path, model=silent, steps=4), progress=False)
    assert (resumed.step, resumed.recipe.model.pretrained) == (4, True)
    weights = str(tmp_path / "run" / "best.safetensors")
    other = recipe_for(tmp_path, run=str(tmp_path / "other"), model=silent, initial_weights=weights)
    assert Trainer(other, progress=False).recipe.model.pretrained is False
    known = tmp_path / "other" / "recipe.json"
    known.write_text(json.dumps(with_pretrained(known, True)))
    Trainer(other, progress=False)


def with_pretrained(recipe: Path, value: bool) -> Any:
    plain = json.loads(recipe.read_text())
    plain["model"]["pretrained"] = value
    return plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": []}, "names no labelled data"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"cut_occlusion": 2.0}, "probability"),
        ({"warm_size": 8}, "warm_size"),
        ({"loss": LossRecipe(lambda_ramp_steps=-1)}, "loss.lambda_ramp_steps"),
        ({"optimizer": OptimizerRecipe(accumulate=0)}, "optimizer.accumulate"),
        ({"optimizer": OptimizerRecipe(accumulate=5)}, "batch_size must be at least 10, got 8"),
        ({"optimizer": OptimizerRecipe(layer_decay=1.5)}, "optimizer.layer_decay"),
    ],
)
def test_impossible_recipes_name_the_key(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Trainer(recipe_for(tmp_path, **change), progress=False)


def test_samples_are_a_function_of_their_key(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    views = LabelledViews(training_sources(recipe.labelled), recipe)
    image, rotation, target = views[SampleKey(0, 3, 1, 48)]
    again, same, _ = views[SampleKey(0, 3, 1, 48)]
    other, _, _ = views[SampleKey(0, 3, 2, 48)]
    assert torch.equal(image, again)
    assert torch.equal(rotation, same)
    assert torch.equal(rotation, target)
    assert not torch.equal(image, other)
    assert image.shape == (48, 48, 3)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)


def test_learning_rate_warms_up_then_falls() -> None:
    settings = OptimizerRecipe(lr=1.0, warmup_steps=10, final_lr_ratio=0.01)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.01, abs=0.002)


def test_average_copies_first_and_takes_buffers_along() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    linear, norm = network
    average = AveragedNetwork(network, 0.9)
    averaged = average.network.state_dict()
    assert isinstance(linear, torch.nn.Linear) and isinstance(norm, torch.nn.BatchNorm1d)
    assert norm.running_mean is not None
    with torch.no_grad():
        linear.weight.fill_(1.0)
        norm.running_mean.fill_(3.0)
    average.update(network)
    assert torch.equal(averaged["0.weight"], linear.weight)
    with torch.no_grad():
        linear.weight.fill_(2.0)
        norm.running_mean.fill_(5.0)
    average.update(network)
    torch.testing.assert_close(averaged["0.weight"], torch.full((2, 2), 1.5))
    torch.testing.assert_close(averaged["1.running_mean"], torch.full((2,), 4.0))
    assert not average.network.training


def test_weights_of_an_export_begin_with_the_statistics_of_the_views_that_train_them(tmp_path: Path) -> None:
    """Plain crops have others; by those, the first steps would normalise otherwise and undo the weights."""
    views = {
        "view": ViewRange(scale=(0.7, 1.4), any_rotation=0.5),
        "photometric": Photometric(blur=1.0, grey=0.5, brightness=0.6),
    }
    model = ModelRecipe("efficientnet_lite0", image_size=64, dropout=0.0, frozen_stages=0)
    recipe = recipe_for(tmp_path, model=model, initial_weights="default", batch_size=64, warm_size=64, **views)
    trainer = Trainer(recipe, progress=False)
    images = next(trainer._labelled_batches()).images
    network = trainer.network.train()
    for module in network.modules():
        if hasattr(module, "drop_path"):
            module.drop_path = torch.nn.Identity()
    with torch.no_grad():
        training, as_released = network(images), network.eval()(images)
    assert float((training - as_released).norm()) < 0.2 * float(as_released.norm())
