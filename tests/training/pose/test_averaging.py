"""The mean of two runs' weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.axes_heads import recipe_for

from semiuhpe.cli.main import main
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint, under_prefix
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.data import training_sources, training_views
from semiuhpe.training.pose.recipe import ModelRecipe
from semiuhpe.training.pose.trainer import Trainer

STATE = {"step": 3, "recipe": {"model": {}}}


def written(path: Path, value: float, count: int) -> str:
    tensors = {
        "averaged/weight": torch.full((2, 2), value),
        "averaged/number": torch.tensor(count),
        "current/weight": torch.ones(1),
    }
    save_checkpoint(path, tensors, STATE)
    return str(path)


def test_weights_lie_between_and_the_rest_is_that_of_the_second(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.safetensors", 1.0, 5), written(tmp_path / "b.safetensors", 3.0, 7)
    out = tmp_path / "mean.safetensors"
    assert main(["average", first, second, str(out), "--share", "0.25"]) == 0
    tensors, state = load_checkpoint(out)
    assert set(tensors) == {"averaged/weight", "averaged/number"}
    assert torch.equal(tensors["averaged/weight"], torch.full((2, 2), 1.5)) and int(tensors["averaged/number"]) == 7
    assert state["step"] == 3 and state["card"]["mean_of"]["share_of_the_second"] == 0.25


def test_what_does_not_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path / "a.safetensors", 1.0, 5)
    save_checkpoint(tmp_path / "other.safetensors", {"averaged/weight": torch.ones(3)}, STATE)
    out = str(tmp_path / "mean.safetensors")
    for arguments in ([str(tmp_path / "other.safetensors"), out], [first, out, "--share", "2"]):
        assert main(["average", first, *arguments]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and not Path(out).exists()


def test_it_is_measured_as_the_second_training_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipe_for(tmp_path, steps=2, warm_steps=0, validate_every=2, checkpoint_every=2)
    Trainer(recipe, progress=False).train()
    last = tmp_path / "run" / "last.safetensors"
    known = load_checkpoint(tmp_path / "run" / "best.safetensors")[1]["validation_deg"]
    out = tmp_path / "mean.safetensors"
    assert main(["average", str(last), str(last), str(out), "--validate"]) == 0
    assert load_checkpoint(out)[1]["validation_deg"] == pytest.approx(known, abs=1e-3)
    assert f"store: {known['store']:.2f}° mean validation error" in capsys.readouterr().out


def test_statistics_are_those_of_training_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The oracle: what goes into each norm in training mode, batch by batch, of the views of the recipe."""
    model = ModelRecipe("efficientnet_lite0", pretrained=False, image_size=48, frozen_stages=1)
    recipe = recipe_for(tmp_path, model=model, steps=2, warm_steps=0, checkpoint_every=2)
    Trainer(recipe, progress=False).train()
    last, out = str(tmp_path / "run" / "last.safetensors"), tmp_path / "mean.safetensors"
    with pytest.raises(SystemExit):
        main(["average", last, last, str(out), "--norm-views", "1"])
    assert "--norm-views is 0, or at least 2" in capsys.readouterr().err
    assert main(["average", last, last, str(out), "--norm-views", "160"]) == 0
    tensors, state = load_checkpoint(out)
    found = under_prefix("averaged", tensors)
    before = under_prefix("averaged", load_checkpoint(Path(last))[0])
    assert state["card"]["mean_of"]["norm_views"] == 160

    network = PoseNet("efficientnet_lite0", pretrained=False, dropout=0.0, frozen_stages=1)
    network.load_state_dict(before)
    network.train()
    seen: dict[str, list[torch.Tensor]] = {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.setdefault(name, []).append(inputs[0].mean([0, 2, 3]))
            )
    views = torch.from_numpy(training_views(recipe, training_sources(recipe.labelled), 160))
    with torch.no_grad():
        for begin in range(0, 160, 64):
            network(views[begin : begin + 64])
    trained = {name for name, module in network.named_modules() if module.training} & seen.keys()
    assert 0 < len(trained) < len(seen)
    for name, batches in seen.items():
        expected = torch.stack(batches).mean(0) if name in trained else before[f"{name}.running_mean"]
        torch.testing.assert_close(found[f"{name}.running_mean"], expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(found[name], before[name]) for name in before if name.endswith(("weight", "bias")))
