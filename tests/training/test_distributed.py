"""A training shared by processes is the training of one process, and survives the loss of one of them."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.axes_heads import make_store, recipe_for, semi_for
from helpers.rank_processes import run_ranks, train_and_compare, train_until_a_rank_dies
from helpers.time_limits import within

from semiuhpe.errors import RecipeError
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.launch import start
from semiuhpe.training.pose.batches import StepSampler
from semiuhpe.training.pose.recipe import EmaRecipe, LabelledData, ModelRecipe, OptimizerRecipe, Recipe
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.ranks import Ranks, _with_strides
from semiuhpe.views.occlusion import cut_mix, cut_patches, paste_patches, plan_mix

STEPS, STAGE1 = 6, 3


def shared_recipe(folder: Path, run: str, **changes: Any) -> Recipe:
    """Both stages; 7 labelled and 10 unlabelled heads a step; a network whose step does not depend on how many share it."""
    make_store(folder / "store", count=24) if not (folder / "store").exists() else None
    make_store(folder / "pool", count=17, labelled=False) if not (folder / "pool").exists() else None
    settings: dict[str, Any] = {
        "run": str(folder / run),
        "steps": STEPS,
        "batch_size": 7,
        "validate_every": STAGE1,
        "checkpoint_every": 2,
        "labelled": [LabelledData(str(folder / "store"))],
        "warm_steps": 0,
        "semi": semi_for(folder, stage1_steps=STAGE1, stage_steps=2, left_ratio=0.6),
        "model": ModelRecipe(
            "mobilenetv4_conv_small", pretrained=False, head="linear", dropout=0.0, frozen_norms=True, image_size=32
        ),
        "optimizer": OptimizerRecipe(lr=1e-3, warmup_steps=3),
        "ema": EmaRecipe(0.9, 0.9),
    }
    return recipe_for(folder, **{**settings, **changes})


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}/") if isinstance(value, dict) else {prefix + key: value}
    return found


def lines_of(run: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [flat({k: v for k, v in line.items() if k != "images_per_s"}) for line in lines]


def assert_same_run(run: str, other: str) -> None:
    """The same lines of the same numbers but for what another order of sums changes."""
    first, second = lines_of(run), lines_of(other)
    assert [list(line) for line in first] == [list(line) for line in second]
    for line, same in zip(first, second, strict=True):
        for key, value in line.items():
            assert same[key] == pytest.approx(value, rel=2e-3, abs=2e-3), f"{key} of step {line['step']}"
    tensors, others = (load_checkpoint(Path(r) / "last.safetensors")[0] for r in (run, other))
    for key in tensors:
        if not key.startswith("optimizer"):
            torch.testing.assert_close(
                tensors[key], others[key], rtol=1e-2, atol=1e-3, msg=partial("{}: {}".format, key)
            )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the run of one process."""
    folder = tmp_path_factory.mktemp("shared")
    Trainer(shared_recipe(folder, "alone"), progress=False).train()
    return folder


def test_two_processes_walk_the_path_of_one(alone: Path) -> None:
    both = shared_recipe(alone, "both")
    assert run_ranks(2, train_and_compare, both) == [0, 0]
    lines = lines_of(both.run)
    assert [line["step"] for line in lines if "nll" in line] == [1, 2, 3, 4, 5, 6], "one process alone writes"
    assert sum("unsupervised" in line for line in lines) == STEPS - STAGE1
    assert sum("thresholds/front" in line for line in lines) == 2
    assert_same_run(str(alone / "alone"), both.run)


def test_processes_share_a_running_threshold_and_what_teachers_agree_on(tmp_path: Path) -> None:
    shared_recipe(tmp_path, "made")
    semi = semi_for(
        tmp_path,
        stage1_steps=STAGE1,
        threshold="running",
        running_window=25,
        balanced=True,
        left_ratio=0.6,
        teacher_crops=2,
        agreement_deg=30.0,
    )
    Trainer(shared_recipe(tmp_path, "alone", semi=semi), progress=False).train()
    both = shared_recipe(tmp_path, "both", semi=semi)
    assert run_ranks(2, train_and_compare, both) == [0, 0]
    assert any(line.get("kept", 1) < 0.6 for line in lines_of(both.run)), "some were not agreed on"
    assert_same_run(str(tmp_path / "alone"), both.run)


def test_channels_last_gradients_are_averaged_as_they_lie_in_memory(alone: Path) -> None:
    """`train_and_compare` fails where DDP says that they are not."""
    model = ModelRecipe(
        "mobilenetv4_conv_small", pretrained=False, head="linear", frozen_norms=True, image_size=32, channels_last=True
    )
    recipe = shared_recipe(alone, "last", model=model, steps=2, precision="bf16-mixed", semi=None, validate_every=2)
    assert run_ranks(2, train_and_compare, recipe) == [0, 0]


@pytest.mark.parametrize("half", [False, True])
def test_gradients_have_the_strides_of_their_parameters(half: bool) -> None:
    def gradients(count: int) -> list[tuple[torch.Tensor, torch.nn.Parameter]]:
        torch.manual_seed(0)
        network = PoseNet("mobilenetv4_conv_small", pretrained=False, channels_last=True)
        Ranks(0, count).align_gradients(network)
        images = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            parameter = network(images)
        parameter.float().sum().backward()
        return [(p.grad, p) for p in network.parameters() if p.grad is not None]

    single, shared = gradients(1), gradients(2)
    if half:
        assert any(grad.stride() != p.stride() for grad, p in single), "nothing to be done; the method can go"
    assert all(grad.stride() == p.stride() for grad, p in shared)
    for (one, _), (other, _) in zip(single, shared, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_strides_change_and_values_stay() -> None:
    values = torch.arange(24.0).reshape(2, 3, 2, 2)
    last = values.contiguous(memory_format=torch.channels_last)
    assert torch.equal(_with_strides(values.stride(), last), values)
    assert _with_strides(values.stride(), last).stride() == values.stride()
    point = torch.arange(6.0).reshape(2, 3, 1, 1)
    view = _with_strides((3, 1, 3, 3), point)
    assert (view.stride(), view.data_ptr()) == ((3, 1, 3, 3), point.data_ptr())


def test_a_lost_process_ends_the_run_which_goes_on_with_fewer(alone: Path, tmp_path: Path) -> None:
    recipe, told = shared_recipe(alone, "lost"), tmp_path / "told"
    begun = time.monotonic()
    survivor, killed = run_ranks(2, train_until_a_rank_dies, recipe, 4, str(told))
    assert (survivor, killed) == (1, -9)
    assert time.monotonic() - begun < within(150), "it had to be stopped"
    message = told.read_text()
    assert message.startswith("RankLostError: process 0 of 2")
    assert "same command again" in message
    assert load_checkpoint(Path(recipe.run) / "last.safetensors")[1]["step"] == 4
    Trainer(recipe, progress=False).train()
    assert_same_run(str(alone / "alone"), recipe.run)


@pytest.mark.parametrize(("total", "count"), [(10, 2), (7, 3), (3, 3), (64, 5), (2, 4)])
def test_parts_of_a_batch_are_all_of_it_in_order(total: int, count: int) -> None:
    ranks = [Ranks(number, count) for number in range(count)]
    assert [i for rank in ranks for i in range(total)[rank.part(total)]] == list(range(total))
    values = np.random.default_rng(0).normal(size=total)
    means = [values[rank.part(total)].mean() * rank.share(total) for rank in ranks if rank.share(total)]
    assert sum(means) / count == pytest.approx(values.mean())


def test_processes_draw_the_heads_of_one_batch() -> None:
    def keys(part: slice) -> list[Any]:
        sampler = StepSampler([10, 7], [0.7, 0.3], 9, seed=3, first=4, last=8, picture_size=lambda _: 64, part=part)
        return list(sampler)

    whole, parts = keys(slice(None)), [keys(Ranks(number, 2).part(9)) for number in range(2)]
    assert [first + second for first, second in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("count", [2, 3])
def test_cut_mix_across_processes_is_that_of_one(rng: np.random.Generator, count: int) -> None:
    images = rng.integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    expected = cut_mix(images, np.random.default_rng(1))
    plan = plan_mix(7, 64, np.random.default_rng(1))
    parts = [Ranks(number, count).part(7) for number in range(count)]
    patches = np.concatenate([cut_patches(images[part], part.start, plan) for part in parts])
    got = np.concatenate([paste_patches(images[part], part.start, plan, patches) for part in parts])
    assert np.array_equal(got, expected)
    assert not np.array_equal(got, images)


def test_a_batch_smaller_than_the_processes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="12 processes cannot share a batch of 8"):
        start(recipe_for(tmp_path, devices=4, nodes=3))
    with pytest.raises(RecipeError, match="rank_timeout_s"):
        Trainer(recipe_for(tmp_path, rank_timeout_s=0.0), progress=False)


def test_only_norms_that_train_are_synchronised() -> None:
    torch.manual_seed(0)
    plain = PoseNet("mobilenetv4_conv_small", pretrained=False, frozen_stages=1)
    torch.manual_seed(0)
    synchronised = PoseNet("mobilenetv4_conv_small", pretrained=False, frozen_stages=1)
    synchronised.synchronize_norms()
    synchronised.train()
    norms = [m for m in synchronised.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        assert isinstance(norm, torch.nn.SyncBatchNorm) == norm.training
    assert {norm.training for norm in norms} == {False, True}
    assert synchronised.state_dict().keys() == plain.state_dict().keys()
    images = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
    assert torch.equal(plain.eval()(images), synchronised.eval()(images))


def test_statistics_of_norms_that_train_are_agreed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, frozen = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(3).eval()
    ranks = Ranks(0, 2)
    monkeypatch.setattr(ranks, "mean", lambda value: value / 2)  # as if the other rank had zeros
    assert trained.running_mean is not None and trained.running_var is not None and frozen.running_var is not None
    trained.running_mean.copy_(torch.tensor([2.0, 4.0]))
    ranks.agree_on_statistics(torch.nn.Sequential(trained, frozen))
    assert trained.running_mean.tolist() == [1.0, 2.0]
    assert trained.running_var.tolist() == [0.5, 0.5]
    assert frozen.running_var.tolist() == [1.0, 1.0, 1.0]
