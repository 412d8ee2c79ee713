"""A step in parts is the step of the whole batch: its loss, its gradient, its threshold; and a run of such steps resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.axes_heads import recipe_for, semi_for
from helpers.rank_processes import run_ranks, train_and_compare
from torch import Tensor

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.geometry.rotation import random_rotations
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.training.pose.accumulation import parts_of, whole_loss
from semiuhpe.training.pose.batches import LabeledBatch, UnlabeledBatch
from semiuhpe.training.pose.recipe import (
    EmaRecipe,
    LossRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    SemiSupervisedRecipe,
)
from semiuhpe.training.pose.stage import Stage
from semiuhpe.training.pose.step import StepLoss, step_loss
from semiuhpe.training.pose.teachers import TeacherAnswer
from semiuhpe.training.pose.threshold import Threshold
from semiuhpe.training.pose.trainer import Trainer


@pytest.fixture(autouse=True)
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than these trainings."""
    monkeypatch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)


def rotations(count: int, seed: int) -> Tensor:
    import numpy as np

    return torch.from_numpy(random_rotations(count, np.random.default_rng(seed)))


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_loss_and_gradient_are_those_of_the_whole_batch(count: int, unlabelled: bool) -> None:
    torch.manual_seed(count)
    pictures, weight = torch.randn(7, 5, dtype=torch.float64), torch.randn(5, 9, dtype=torch.float64)
    labeled = LabeledBatch(pictures, rotations(7, 1), rotations(7, 2), share=0.9)
    looks = [torch.randn(10, 5, dtype=torch.float64) for _ in range(3)]
    other = UnlabeledBatch(looks[0], looks[1], rotations(10, 3), rotations(10, 4), (looks[2],), share=1.1)
    asked: list[int] = []

    def teacher(seen: Any) -> TeacherAnswer:
        assert len(seen) == 2
        return TeacherAnswer(MatrixFisher(4 * (seen[0] @ weight).reshape(-1, 3, 3)), seen[1][:, 0].abs())

    def threshold(belief: MatrixFisher) -> Threshold:
        asked.append(len(belief.parameter))
        return Threshold((float(belief.entropy.median()),) * 3)

    stage = Stage(0, 10, LossRecipe(ssl_lambda=0.7), semi=SemiSupervisedRecipe(agreement_deg=40.0))

    def step(parts: int) -> tuple[StepLoss, Tensor]:
        linear = torch.nn.Linear(5, 9, dtype=torch.float64)
        torch.nn.init.constant_(linear.bias, 0.1)
        linear.weight.data.copy_(weight.T)
        pool = other if unlabelled else None
        losses = []
        for part in parts_of(labeled, pool, parts, teacher, threshold):
            loss = step_loss(
                lambda images: linear(images).reshape(-1, 3, 3),
                part.teacher,
                part.labeled,
                part.unlabeled,
                part.threshold,
                stage,
                3,
            )
            loss.total.backward()
            losses.append(loss)
        assert len(losses) == parts
        gradient = linear.weight.grad
        assert gradient is not None
        return whole_loss(losses, labeled, pool), gradient

    (whole, gradient), (cut, summed) = step(1), step(count)
    torch.testing.assert_close(summed, gradient, rtol=1e-10, atol=1e-12)
    assert float(gradient.abs().max()) > 0.01
    for name in ("total", "supervised", "student"):
        torch.testing.assert_close(getattr(cut, name), getattr(whole, name).detach(), rtol=1e-10, atol=1e-12)
    if unlabelled:
        assert whole.unsupervised is not None and cut.unsupervised is not None
        assert asked == [10, 10], "the threshold is that of the whole batch, and is asked for once a step"
        assert torch.equal(cut.unsupervised.keep, whole.unsupervised.keep)
        assert 0 < int(whole.unsupervised.keep.sum()) < 10
        for name in ("loss", "student"):
            ours, expected = (getattr(one.unsupervised, name).detach() for one in (cut, whole))
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)


def shared_recipe(folder: Path, run: str, accumulate: int, **changes: Any) -> Recipe:
    """Both stages, a running threshold, and a network whose step does not depend on how it is cut."""
    settings: dict[str, Any] = {
        "run": str(folder / run),
        "steps": 6,
        "batch_size": 8,
        "validate_every": 6,
        "checkpoint_every": 2,
        "warm_steps": 0,
        "semi": semi_for(folder, stage1_steps=3, threshold="running", running_window=25, left_ratio=0.6),
        "model": ModelRecipe(
            "mobilenetv4_conv_small", pretrained=False, head="linear", dropout=0.0, frozen_norms=True, image_size=32
        ),
        "optimizer": OptimizerRecipe(lr=1e-3, warmup_steps=3, accumulate=accumulate, layer_decay=0.8),
        "ema": EmaRecipe(0.9, 0.9),
    }
    return recipe_for(folder, **{**settings, **changes})


def metrics(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if isinstance(v, float) and k != "images_per_s"} for line in lines]


def assert_same_run(first: Path, second: Path) -> None:
    """Up to what the order of sums changes. Gradient norms are compared too, because AdamW would forgive a factor."""
    for line, same in zip(metrics(first), metrics(second), strict=True):
        assert same == pytest.approx(line, rel=2e-3, abs=2e-3)
    (tensors, _), (others, _) = (load_checkpoint(run / "last.safetensors") for run in (first, second))
    for key in (key for key in tensors if key.startswith(("current", "averaged"))):
        torch.testing.assert_close(tensors[key], others[key], rtol=1e-2, atol=3e-4, msg=key)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accumulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)
        Trainer(shared_recipe(folder, "whole", 1), progress=False).train()
    return folder


def test_a_run_in_parts_ends_as_the_whole_one_and_resumes_exactly(whole: Path) -> None:
    Trainer(shared_recipe(whole, "cut", 4), progress=False).train()
    assert_same_run(whole / "whole", whole / "cut")
    first = Trainer(shared_recipe(whole, "again", 4), progress=False)
    one_step = first._train_step

    def until_the_fifth(*arguments: Any) -> Any:
        if first.step == 5:
            raise KeyboardInterrupt
        return one_step(*arguments)

    first._train_step = until_the_fifth  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        first.train()
    resumed = Trainer(shared_recipe(whole, "again", 4), progress=False)
    assert resumed.step == 4
    resumed.train()
    assert metrics(whole / "again") == metrics(whole / "cut")
    (tensors, _), (others, _) = (load_checkpoint(whole / run / "last.safetensors") for run in ("cut", "again"))
    assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []


def test_processes_cut_their_shares(whole: Path) -> None:
    """`train_and_compare` fails where they do not end with the same weights."""
    recipe = shared_recipe(whole, "both", 2)
    assert run_ranks(2, train_and_compare, recipe) == [0, 0]
    assert_same_run(whole / "whole", whole / "both")
