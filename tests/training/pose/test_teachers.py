"""Teachers of the second stage beyond the paper's: several crops, agreement, fixed weights, a running threshold, a ramp."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.axes_heads import make_store, recipe_for, semi_for
from helpers.layers import last_layer
from helpers.tiny_onnx import write_pose_weights

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.estimator import HeadPoseEstimator
from semiuhpe.geometry.rotation import geodesic_distance, random_rotations
from semiuhpe.models.checkpoint import load_checkpoint, save_checkpoint, with_prefix
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training.pose.batches import SampleKey
from semiuhpe.training.pose.recipe import LossRecipe, ModelRecipe, SemiSupervisedRecipe, UnlabelledData, to_dict
from semiuhpe.training.pose.stage import stages_of
from semiuhpe.training.pose.teachers import Look, Teachers, fixed_network, largest_angle, weak_looks
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.training.pose.unlabelled import UnlabelledViews, unlabelled_sources


@pytest.fixture(autouse=True)
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than these trainings."""
    monkeypatch.setattr("semiuhpe.training.pose.trainer.draw_curves", lambda _: None)


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def network(seed: int = 0) -> PoseNet:
    torch.manual_seed(seed)
    made = PoseNet("mobilenetv4_conv_small", pretrained=False, head="linear").eval()
    torch.nn.init.normal_(last_layer(made).weight, std=0.5)
    return made


def pictures(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def test_a_second_crop_is_of_the_same_pose_and_shifts_no_other_draw(tmp_path: Path) -> None:
    make_store(tmp_path / "pool", count=6)
    settings = SemiSupervisedRecipe(unlabelled=[UnlabelledData(str(tmp_path / "pool"))])
    one = UnlabelledViews(unlabelled_sources(settings.unlabelled), settings, seed=0)
    settings = SemiSupervisedRecipe(unlabelled=settings.unlabelled, teacher_crops=2)
    two = UnlabelledViews(unlabelled_sources(settings.unlabelled), settings, seed=0)
    for position in range(4):
        key = SampleKey(0, position, 1, 48)
        *first, second = two[key]
        torch.testing.assert_close(first, list(one[key]), rtol=0, atol=0, equal_nan=True)
        apart = (second.float() - first[0].float()).abs().mean()
        mirrored = (second.flip(1).float() - first[0].float()).abs().mean()
        assert 0 < apart < mirrored, "another crop of the same mirror image"


def test_looks_are_those_of_each_teacher_at_its_own_size() -> None:
    alone = SemiSupervisedRecipe(teacher_crops=2)
    assert weak_looks(alone, 48) == [Look(0, 48), Look(1, 48)]
    fixed = SemiSupervisedRecipe(teacher_weights="file")
    assert weak_looks(fixed, 48, 96) == [Look(0, 96)]
    both = SemiSupervisedRecipe(teacher_weights="file", teacher_weights_share=0.5, teacher_crops=2)
    assert weak_looks(both, 48, 96) == [Look(0, 48), Look(1, 48), Look(0, 96), Look(1, 96)]


def test_answers_about_crops_and_mirror_images_are_averaged() -> None:
    average, looks = network(), [pictures(3, 48, 1), pictures(3, 48, 2)]
    settings = SemiSupervisedRecipe(teacher_crops=2, teacher_mirror=True, agreement_deg=20.0)
    answer = Teachers(settings).ask(average, looks)
    mirror = torch.tensor([-1.0, 1.0, 1.0]).diag()
    with torch.no_grad():
        each = [average(look) for look in looks] + [mirror @ average(look.flip(2)) @ mirror for look in looks]
    torch.testing.assert_close(answer.belief.parameter, torch.stack(each).mean(0), rtol=1e-4, atol=1e-4)
    modes = [MatrixFisher(one).mode.double().numpy() for one in each]
    expected = np.max([geodesic_distance(a, b) for a, b in itertools.combinations(modes, 2)], axis=0)
    np.testing.assert_allclose(answer.apart.numpy(), expected, atol=1e-3)
    limit = float(np.degrees(np.sort(expected)[1])) + 0.5
    assert answer.agrees(limit).tolist() == (np.degrees(expected) <= limit).tolist()
    assert answer.agrees(0.0).all(), "0 is off"


def test_the_largest_angle_holds_up_to_half_turns(rng: np.random.Generator) -> None:
    rotations = random_rotations(12, rng).reshape(3, 4, 3, 3)
    rotations[1, 0] = rotations[0, 0] @ np.diag([1.0, -1.0, -1.0])
    got = largest_angle(torch.tensor(9 * rotations)).numpy()
    expected = [
        max(geodesic_distance(rotations[a, i], rotations[b, i]) for a, b in ((0, 1), (0, 2), (1, 2))) for i in range(4)
    ]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert got[0] == pytest.approx(np.pi)


def test_heads_about_which_the_answers_differ_are_not_learnt_from(tmp_path: Path) -> None:
    weights = []
    for name, limit in (("off", 0.0), ("loose", 180.0), ("strict", 1e-4)):
        semi = semi_for(tmp_path, stage1_steps=0, teacher_mirror=True, left_ratio=1.0, agreement_deg=limit)
        trainer = Trainer(recipe_for(tmp_path, run=str(tmp_path / name), steps=2, semi=semi), progress=False)
        trainer.train()
        weights.append(torch.cat([p.detach().flatten() for p in trainer.network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert [line["kept"] for line in lines_of(tmp_path / "loose") if "kept" in line] == [1.0, 1.0]
    assert [line["kept"] for line in lines_of(tmp_path / "strict") if "kept" in line] == [0.0, 0.0]


def test_a_fixed_teacher_of_another_kind_teaches_alone_or_with_the_average(tmp_path: Path) -> None:
    file = write_pose_weights(tmp_path, size=40)
    small, large, average = pictures(4, 48), pictures(4, 40), network()
    expected = HeadPoseEstimator(str(file), mirrored=False)._run(large.numpy())
    alone = Teachers(SemiSupervisedRecipe(teacher_weights=str(file)), threads=1)
    assert alone.fixed_size == 40
    np.testing.assert_allclose(alone.ask(average, [large]).belief.parameter.numpy(), expected, rtol=1e-5, atol=1e-5)
    mixed = Teachers(SemiSupervisedRecipe(teacher_weights=str(file), teacher_weights_share=0.25), threads=1)
    with torch.no_grad():
        own = average(small).numpy()
    got = mixed.ask(average, [small, large]).belief.parameter.numpy()
    np.testing.assert_allclose(got, 0.75 * own + 0.25 * expected, rtol=1e-4, atol=1e-4)


def test_runs_learn_from_fixed_weights(tmp_path: Path) -> None:
    """Of an export, and of a run with another backbone and image size; their views are drawn at that size."""
    other = ModelRecipe("efficientnet_lite0", pretrained=False, head="linear", image_size=64)
    large = PoseNet(other.backbone, head="linear", pretrained=False)
    run = {"step": 0, "recipe": to_dict(recipe_for(tmp_path, model=other))}
    save_checkpoint(tmp_path / "large.safetensors", with_prefix("averaged", large.state_dict()), run)
    for weights, size, share in (
        (write_pose_weights(tmp_path, size=40), 40, 1.0),
        (tmp_path / "large.safetensors", 64, 0.5),
    ):
        semi = semi_for(
            tmp_path, stage1_steps=0, teacher_weights=str(weights), teacher_weights_share=share, teacher_crops=2
        )
        folder = tmp_path / f"run_{size}"
        trainer = Trainer(recipe_for(tmp_path, run=str(folder), steps=2, semi=semi, warm_steps=0), progress=False)
        assert trainer.pool is not None
        sample = trainer.pool.views[SampleKey(0, 0, 0, 48)]
        sizes = [sample[0].shape[0], *(more.shape[0] for more in sample[4:])]
        assert sizes == ([size] * 2 if share == 1 else [48, 48, size, size])
        trainer.train()
        losses = [line["unsupervised"] for line in lines_of(folder) if "unsupervised" in line]
        assert len(losses) == 2
        assert np.isfinite(losses).all()


def test_weights_that_are_no_pose_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        fixed_network(str(tmp_path / "none.onnx"))
    with pytest.raises(WeightsError):
        fixed_network(str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match="not a pose network"):
        fixed_network("head_detector")


def test_the_weight_of_the_unsupervised_loss_grows_over_the_ramp(tmp_path: Path) -> None:
    semi = semi_for(tmp_path, stage1_steps=5)
    stage = stages_of(recipe_for(tmp_path, semi=semi, loss=LossRecipe(ssl_lambda=0.8, lambda_ramp_steps=4)))[1]
    assert [stage.ssl_weight(step) for step in (5, 6, 7, 8, 9, 13)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    plain = stages_of(recipe_for(tmp_path, semi=semi, loss=LossRecipe(ssl_lambda=0.8)))[1]
    assert plain.ssl_weight(5) == 0.8


EVERYTHING: dict[str, Any] = {
    "threshold": "running", "running_window": 40, "balanced": True, "left_ratio": 0.6, "teacher_crops": 2,
    "agreement_deg": 120.0, "teacher_mirror": True,
}  # fmt: skip


def test_a_running_threshold_follows_every_step_and_keeps_its_share(tmp_path: Path) -> None:
    semi = semi_for(tmp_path, stage1_steps=1, threshold="running", left_ratio=0.5, running_window=12)
    Trainer(recipe_for(tmp_path, semi=semi, steps=5), progress=False).train()
    logged = [line for line in lines_of(tmp_path / "run") if "kept" in line]
    assert [line["step"] for line in logged] == [2, 3, 4, 5]
    assert len({line["thresholds"]["rear"] for line in logged}) == 4, "another one at every step"
    assert [line["kept"] for line in logged] == [0.5] * 4, "the window is one batch"


def test_a_run_with_everything_goes_on_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "semi": semi_for(tmp_path, stage1_steps=2, **EVERYTHING),
        "loss": LossRecipe(lambda_ramp_steps=3),
        "checkpoint_every": 3,
        "steps": 7,
        "validate_every": 7,
    }
    Trainer(recipe_for(tmp_path, run=str(tmp_path / "whole"), **settings), progress=False).train()
    recipe = recipe_for(tmp_path, run=str(tmp_path / "cut"), **settings)
    first = Trainer(recipe, progress=False)
    one_step = first._train_step

    def at_most_five(*args: Any) -> Any:
        if first.step == 5:
            raise KeyboardInterrupt
        return one_step(*args)

    monkeypatch.setattr(first, "_train_step", at_most_five)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    again = Trainer(recipe, progress=False)
    assert again.step == 3
    again.train()
    whole, _ = load_checkpoint(tmp_path / "whole" / "last.safetensors")
    resumed, _ = load_checkpoint(tmp_path / "cut" / "last.safetensors")
    assert len(whole["running/entropy"]) == 40, "the latest heads alone are remembered"
    assert whole.keys() == resumed.keys()
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []
    for run in ("whole", "cut"):
        assert [line["step"] for line in lines_of(tmp_path / run) if "nll" in line] == list(range(1, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agreement_deg": 10.0}, "gives one answer a head"),
        ({"agreement_deg": -1.0, "teacher_mirror": True}, "agreement_deg"),
        ({"teacher_crops": 3}, "teacher_crops must be 1 or 2"),
        ({"teacher_weights_share": 0.0}, "teacher_weights_share"),
        ({"running_window": 0}, "running_window"),
    ],
)
def test_impossible_teachers_name_the_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Trainer(recipe_for(tmp_path, semi=semi_for(tmp_path, **change)), progress=False)


def test_old_keys_of_the_threshold_still_say_it() -> None:
    assert SemiSupervisedRecipe().threshold_kind == "dynamic"
    assert SemiSupervisedRecipe(dynamic_threshold=False).threshold_kind == "fixed"
    assert SemiSupervisedRecipe(dynamic_threshold=False, threshold="running").threshold_kind == "running"
