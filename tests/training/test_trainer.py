"""A run is a pure function of its recipe, also across a kill."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from semiuhpe.errors import RecipeError
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.heads.record import HeadRecord
from semiuhpe.heads.store import HeadStoreWriter
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.training.data import LabelledViews, training_sources
from semiuhpe.training.optimisation import learning_rate
from semiuhpe.training.recipe import (
    LabelledData,
    ModelRecipe,
    OptimiserRecipe,
    Recipe,
    SemiSupervisedRecipe,
    UnlabelledData,
)
from semiuhpe.training.sampler import SampleKey
from semiuhpe.training.trainer import Trainer
from semiuhpe.training.teacher import AveragedNetwork


def draw_axes(rotation: np.ndarray, size: int = 128) -> np.ndarray:
    """A picture from which the pose can be read: three thick coloured axes."""
    image = np.full((size, size, 3), 128, np.uint8)
    for column, colour in ((0, (255, 0, 0)), (1, (0, 255, 0)), (2, (0, 0, 255))):
        tip = size / 2 + size / 5 * rotation[:2, column]
        cv2.line(image, (size // 2, size // 2), tuple(np.rint(tip).astype(int)), colour, 7)
        cv2.circle(image, tuple(np.rint(tip).astype(int)), 4 + int(4 * rotation[2, column]), colour, -1)
    return image


def make_store(path: Path, count: int = 40, labelled: bool = True) -> Path:
    rotations = random_rotations(count, np.random.default_rng(0))
    with HeadStoreWriter(path) as writer:
        for i, rotation in enumerate(rotations):
            encoded = cv2.imencode(".png", draw_axes(rotation)[..., ::-1])[1].tobytes()
            split = "unlabelled" if not labelled else "val" if i % 5 == 0 else "train"
            label = rotation if labelled else None
            writer.add(HeadRecord(f"h{i}", "axes", split, f"p{i}", (39.4, 39.4, 88.6, 88.6), label), encoded)
    return path


def recipe_for(tmp_path: Path, **changes: object) -> Recipe:
    store = tmp_path / "store"
    if not store.exists():
        make_store(store)
    settings: dict[str, object] = {
        "run": str(tmp_path / "run"),
        "seed": 5,
        "steps": 14,
        "batch_size": 8,
        "labelled": [LabelledData(str(store))],
        "model": ModelRecipe("mobilenetv4_conv_small", pretrained=False, image_size=48),
        "optimiser": OptimiserRecipe(warmup_steps=3),
        "validate_every": 6,
        "checkpoint_every": 4,
        "log_every": 1,
        "workers": 0,
        "threads": 1,
        "warm_size": 32,
        "warm_steps": 5,
        "device": "cpu",
    }
    return Recipe(**{**settings, **changes})  # type: ignore[arg-type]


def metrics_of(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_s"} for line in lines]


def semi_for(tmp_path: Path, **changes: object) -> SemiSupervisedRecipe:
    pool = tmp_path / "pool"
    if not pool.exists():
        make_store(pool, labelled=False)
    settings: dict[str, object] = {
        "unlabelled": [UnlabelledData(str(pool))], "stage1_steps": 5, "stage_steps": 3, "ulb_batch_ratio": 1.5,
        "teacher_decay": 0.9,
    }  # fmt: skip
    return SemiSupervisedRecipe(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("semi", [False, True])
def test_killed_at_a_random_step_the_run_ends_the_same(tmp_path: Path, semi: bool) -> None:
    extra = {"semi": semi_for(tmp_path)} if semi else {}
    Trainer(recipe_for(tmp_path, run=str(tmp_path / "whole"), **extra), progress=False).train()

    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_trainer import recipe_for, semi_for\n"
        "from semiuhpe.training.trainer import Trainer\n"
        f"folder = Path(sys.argv[1]); extra = dict(semi=semi_for(folder)) if {semi} else dict()\n"
        "Trainer(recipe_for(folder, run=sys.argv[1] + '/killed', **extra), progress=False).train()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)]
    metrics = tmp_path / "killed" / "metrics.jsonl"
    wanted = int(np.random.default_rng(os.getpid()).integers(5, 13))
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) >= wanted:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait(timeout=120) == -signal.SIGKILL, f"the run was to be killed at line {wanted}"
    assert subprocess.run(command, check=False, timeout=200).returncode == 0

    first, _ = load_checkpoint(tmp_path / "whole" / "last.safetensors")
    second, _ = load_checkpoint(tmp_path / "killed" / "last.safetensors")
    assert first.keys() == second.keys()
    differing = [key for key in first if not torch.equal(first[key], second[key])]
    assert not differing
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "killed")


def test_a_run_learns_to_read_axes(tmp_path: Path) -> None:
    recipe = recipe_for(
        tmp_path,
        steps=60,
        batch_size=16,
        validate_every=60,
        optimiser=OptimiserRecipe(lr=2e-3, warmup_steps=5, ema_decay=0.9),
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


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    Trainer(recipe_for(tmp_path), progress=False)
    with pytest.raises(RecipeError, match="seed"):
        Trainer(recipe_for(tmp_path, seed=6), progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": []}, "names no labelled data"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"cut_occlusion": 2.0}, "probability"),
        ({"warm_size": 8}, "warm_size"),
    ],
)
def test_impossible_recipes_name_the_key(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Trainer(recipe_for(tmp_path, **change), progress=False)


def test_samples_are_a_function_of_their_key(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    views = LabelledViews(training_sources(recipe.labelled), recipe)
    image, rotation = views[SampleKey(0, 3, 1, 48)]
    again, same = views[SampleKey(0, 3, 1, 48)]
    other, _ = views[SampleKey(0, 3, 2, 48)]
    assert torch.equal(image, again)
    assert torch.equal(rotation, same)
    assert not torch.equal(image, other)
    assert image.shape == (48, 48, 3)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)


def test_learning_rate_warms_up_then_falls() -> None:
    settings = OptimiserRecipe(lr=1.0, warmup_steps=10, final_lr_ratio=0.01)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.01, abs=0.002)


def test_average_copies_first_and_takes_buffers_along() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    average = AveragedNetwork(network, 0.9)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[1].running_mean.fill_(3.0)
    average.update(network)
    assert torch.equal(average.network[0].weight, network[0].weight)
    with torch.no_grad():
        network[0].weight.fill_(2.0)
        network[1].running_mean.fill_(5.0)
    average.update(network)
    torch.testing.assert_close(average.network[0].weight, torch.full((2, 2), 1.5))
    torch.testing.assert_close(average.network[1].running_mean, torch.full((2,), 4.0))
    assert not average.network.training
