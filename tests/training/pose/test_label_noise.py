"""Labels with noise as targets: their loss, their views, and what a recipe may ask of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.axes_heads import recipe_for
from helpers.coloured_heads import colours, write_store

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.errors import RecipeError, StoreError
from semiuhpe.geometry.rotation import image_rotation, mirror, project_to_rotation, random_rotations
from semiuhpe.heads.store import HeadStore
from semiuhpe.training.pose.batches import SampleKey
from semiuhpe.training.pose.data import LabelledViews, labelled_heads, training_sources
from semiuhpe.training.pose.label_noise import label_means, label_sigmas_deg
from semiuhpe.training.pose.recipe import LabelledData, LossRecipe
from semiuhpe.training.pose.stage import Stage
from semiuhpe.training.pose.trainer import Trainer
from semiuhpe.views.warp import ViewRange

COUNT = 6


def parameters(count: int, seed: int, size: float = 12.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return size * random_rotations(count, rng) + rng.normal(0, 2, (count, 3, 3))


def noisy_store(path: Path, split: str = "train") -> HeadStore:
    """Heads 0 and 1 with a belief, 2 and 3 with 5° and 20°, 4 with nothing stated, 5 without a label."""
    beliefs = parameters(COUNT, 0)
    rotations: list[Any] = list(project_to_rotation(beliefs))
    rotations[5] = None
    stated = [{"belief": beliefs[i].ravel().tolist()} for i in range(2)]
    extras = [*stated, {"label_sigma_deg": 5.0}, {"label_sigma_deg": 20}, {}, {}]
    return HeadStore(write_store(path, colours(COUNT), rotations, extras, split))


def test_the_loss_is_the_mean_over_the_belief() -> None:
    """Against 200,000 draws of the label."""
    target, student = (torch.from_numpy(parameters(4, seed, 6.0)) for seed in (1, 2))
    belief = MatrixFisher(target)
    draws = belief.sample(200_000, torch.Generator().manual_seed(0))
    drawn = -MatrixFisher(student).log_prob(draws)
    got = Stage(0, 1, LossRecipe(overreg=1.0)).supervised(student, belief.mean)
    torch.testing.assert_close(got, drawn.mean(0), rtol=0, atol=5 * float((drawn.std(0) / 200_000**0.5).max()))


@pytest.mark.parametrize("overreg", [1.0, 1.025])
def test_the_best_answer_to_a_noisy_label_is_its_belief_widened_by_overreg(overreg: float) -> None:
    mean = MatrixFisher(torch.from_numpy(parameters(3, 3))).mean
    student = torch.nn.Parameter(torch.from_numpy(parameters(3, 4, 3.0)))
    optimiser = torch.optim.LBFGS([student], max_iter=400, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = Stage(0, 1, LossRecipe(overreg=overreg)).supervised(student, mean).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    torch.testing.assert_close(MatrixFisher(student.detach()).mean, mean / overreg, rtol=0, atol=1e-4)


def test_targets_of_a_store(tmp_path: Path) -> None:
    store = noisy_store(tmp_path / "noisy")
    rotations = store.rotations
    whole = label_means(store, LabelledData(noise=True))
    beliefs = torch.from_numpy(parameters(COUNT, 0)[:2])
    np.testing.assert_allclose(whole[:2], MatrixFisher(beliefs).mean.numpy(), atol=1e-12)
    np.testing.assert_array_equal(whole[4], rotations[4])
    assert np.isnan(whole[5]).all()
    lengths = np.linalg.norm(whole[2:4], axis=(1, 2)) / np.sqrt(3)
    # d = 1 − (4/3)·E[sin² ½θ] ≈ 1 − σ²/3
    np.testing.assert_allclose(1 - lengths, np.radians([5, 20]) ** 2 / 3, rtol=0.03)
    np.testing.assert_allclose(project_to_rotation(whole[2:4]), rotations[2:4], atol=1e-12)

    same_for_all = label_means(store, LabelledData(sigma_deg=5.0))
    np.testing.assert_allclose(np.linalg.norm(same_for_all[:5], axis=(1, 2)) / np.sqrt(3), lengths[0])
    filled = label_means(store, LabelledData(noise=True, sigma_deg=5.0))
    np.testing.assert_array_equal(filled[:4], whole[:4])
    np.testing.assert_allclose(filled[4], same_for_all[4])
    wider = label_means(store, LabelledData(noise=True, sigma_scale=2.0))
    np.testing.assert_allclose(wider[:2], MatrixFisher(beliefs / 4).mean.numpy(), atol=1e-12)
    assert 1 - np.linalg.norm(wider[2]) / np.sqrt(3) == pytest.approx(4 * (1 - lengths[0]), rel=0.01)
    np.testing.assert_array_equal(label_means(store, LabelledData()), rotations)


def test_stated_noise_in_degrees(tmp_path: Path) -> None:
    store = noisy_store(tmp_path / "noisy")
    got = label_sigmas_deg(store)
    np.testing.assert_allclose(got[2:4], [5, 20])
    assert np.isnan(got[4:]).all()
    for index in range(2):
        belief = MatrixFisher(torch.from_numpy(parameters(COUNT, 0)[index]))
        draws = belief.sample(20_000, torch.Generator().manual_seed(0))
        cosine = ((belief.mode.mT @ draws).diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
        angle = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        assert got[index] == pytest.approx(float(angle.square().mean().sqrt()), rel=0.03)
    kept = labelled_heads(str(store.path), "train", max_sigma_deg=10.0)
    assert [int(i) for i in kept.indices] == [i for i in range(5) if not got[i] > 10]
    assert 3 not in kept.indices


def test_targets_turn_and_mirror_with_the_view(tmp_path: Path) -> None:
    store = noisy_store(tmp_path / "store")
    data = LabelledData(str(store.path), noise=True)
    recipe = recipe_for(tmp_path, labelled=[data], view=ViewRange(rotation=1.0, flip=0.5))
    views = LabelledViews(training_sources(recipe.labelled), recipe)
    stored, mirrored = store.rotations[0], 0
    for epoch in range(12):
        _, rotation, target = views[SampleKey(0, 0, epoch, 32)]
        belief = parameters(COUNT, 0)[0]
        plain = rotation.double().numpy() @ stored.T
        flipped = rotation.double().numpy() @ mirror(stored).T
        flip = abs(plain[2, 2] - 1) > 1e-5
        turn = flipped if flip else plain
        np.testing.assert_allclose(turn, image_rotation(np.arctan2(turn[0, 1], turn[0, 0])), atol=1e-6)
        expected = MatrixFisher(torch.from_numpy(turn @ (mirror(belief) if flip else belief))).mean
        torch.testing.assert_close(target, expected.float(), atol=1e-6, rtol=0)
        mirrored += flip
    assert 0 < mirrored < 12


def test_a_run_with_noisy_labels_and_one_without_differ_and_exact_ones_do_not(tmp_path: Path) -> None:
    losses = []
    for name, changes in (("exact", {}), ("zero", {"noise": True}), ("noisy", {"sigma_deg": 20.0})):
        recipe = recipe_for(tmp_path, run=str(tmp_path / name), steps=2, validate_every=2)
        recipe.labelled = [LabelledData(recipe.labelled[0].store, **changes)]
        trainer = Trainer(recipe, progress=False)
        trainer.train()
        losses.append(torch.cat([p.detach().flatten() for p in trainer.network.parameters()]))
    assert torch.equal(losses[0], losses[1]), "its store states no noise"
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma_deg": -1.0}, "sigma_deg must be 0 or more"),
        ({"max_sigma_deg": float("nan")}, "max_sigma_deg must be 0 or more"),
        ({"sigma_scale": 0.0}, "sigma_scale must be positive"),
    ],
)
def test_impossible_noise_names_the_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    store = recipe_for(tmp_path).labelled[0].store
    with pytest.raises(RecipeError, match=message):
        Trainer(recipe_for(tmp_path, labelled=[LabelledData(store, **change)]), progress=False)


@pytest.mark.parametrize("change", [{"noise": True}, {"sigma_deg": 3.0}])
def test_rotation_laplace_takes_exact_labels_alone(tmp_path: Path, change: dict[str, Any]) -> None:
    store = recipe_for(tmp_path).labelled[0].store
    laplace = LossRecipe(distribution="rotation_laplace")
    with pytest.raises(RecipeError, match="rotation_laplace cannot take"):
        Trainer(recipe_for(tmp_path, labelled=[LabelledData(store, **change)], loss=laplace), progress=False)


@pytest.mark.parametrize(
    "extras", [{"belief": [1.0] * 8}, {"belief": "sure"}, {"label_sigma_deg": -1.0}, {"label_sigma_deg": "5"}]
)
def test_a_noise_that_cannot_be_one_names_store_and_head(tmp_path: Path, extras: dict[str, Any]) -> None:
    store = HeadStore(write_store(tmp_path / "odd", colours(1), [np.eye(3)], [extras], "train"))
    with pytest.raises(StoreError, match=r"odd.*h0"):
        label_means(store, LabelledData(noise=True))
