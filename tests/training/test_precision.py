"""Mixed precision and compilation change the speed of a training, not what it learns."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.axes_heads import recipe_for, semi_for
from lightning_fabric.plugins.precision import MixedPrecision

from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.models.export import export
from semiuhpe.training.pose.recipe import EmaRecipe, ModelRecipe, OptimizerRecipe, Recipe
from semiuhpe.training.pose.trainer import Trainer

TINY = ModelRecipe(
    "mobilenetv4_conv_small", pretrained=False, head="linear", dropout=0.0, frozen_norms=True, image_size=32
)


def tiny_recipe(folder: Path, run: str, **changes: Any) -> Recipe:
    """Two steps of stage 1, two of stage 2."""
    settings: dict[str, Any] = {
        "run": str(folder / run),
        "steps": 4,
        "batch_size": 4,
        "warm_steps": 0,
        "validate_every": 4,
        "model": TINY,
        "semi": semi_for(folder, stage1_steps=2, dynamic_threshold=False, conf_thres=0.0),
        "optimizer": OptimizerRecipe(lr=3e-4, warmup_steps=2),
        "ema": EmaRecipe(0.9, 0.9),
        "checkpoint_every": 2,
    }
    return recipe_for(folder, **{**settings, **changes})


def losses(recipe: Recipe) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (Path(recipe.run) / "metrics.jsonl").read_text().splitlines()]
    return [(line["nll"], line.get("unsupervised", 0.0)) for line in lines if "nll" in line]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[float, float]]]:
    """The folder of the stores, and the losses in float32."""
    folder = tmp_path_factory.mktemp("precision")
    recipe = tiny_recipe(folder, "plain")
    Trainer(recipe, progress=False).train()
    return folder, losses(recipe)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_learns_nearly_the_same(plain: tuple[Path, list[Any]], precision: str) -> None:
    folder, expected = plain
    recipe = tiny_recipe(folder, precision, precision=precision)
    Trainer(recipe, progress=False).train()
    got = losses(recipe)
    assert got != expected
    for step, (numbers, same) in enumerate(zip(got, expected, strict=True), start=1):
        assert numbers == pytest.approx(same, abs=0.03, rel=0.03), f"step {step}"


def scaler_of(trainer: Trainer) -> torch.amp.GradScaler:
    precision = trainer.fabric.strategy.precision
    assert isinstance(precision, MixedPrecision) and precision.scaler is not None
    return precision.scaler


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: on a processor float16 gives way to bfloat16"
)
def test_the_scale_of_the_loss_survives_a_resume(plain: tuple[Path, list[Any]]) -> None:
    folder, _ = plain
    recipe = tiny_recipe(folder, "scaled", device="cuda", precision="16-mixed", semi=None, steps=2)
    trainer = Trainer(recipe, progress=False)
    scaler_of(trainer).update(1024.0)
    trainer.train()
    assert load_checkpoint(trainer.folder.last)[1]["scaler"]["scale"] == 1024.0
    assert scaler_of(Trainer(recipe, progress=False)).get_scale() == 1024.0


def test_compiled_is_the_same(plain: tuple[Path, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced by dynamo but run as it is, for speed; keys of the checkpoint stay those of the plain network."""
    folder, expected = plain
    compiled = []

    def compile_(network: Any, **options: Any) -> Any:
        compiled.append(network)
        return functools.partial(original, backend="eager")(network, **options)

    original = torch.compile
    monkeypatch.setattr(torch, "compile", compile_)
    recipe = tiny_recipe(folder, "compiled", compile=True)
    Trainer(recipe, progress=False).train()
    assert compiled
    for numbers, same in zip(losses(recipe), expected, strict=True):
        assert numbers == pytest.approx(same, abs=1e-4, rel=1e-4)
    keys = [set(load_checkpoint(folder / run / "last.safetensors")[0]) for run in ("plain", "compiled")]
    assert keys[0] == keys[1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("compiled", [False, True])
def test_both_stages_on_a_gpu(plain: tuple[Path, list[Any]], precision: str, compiled: bool) -> None:
    folder, expected = plain
    recipe = tiny_recipe(folder, f"gpu-{precision}-{compiled}", device="cuda", precision=precision, compile=compiled)
    Trainer(recipe, progress=False).train()
    for numbers, same in zip(losses(recipe), expected, strict=True):
        assert numbers == pytest.approx(same, abs=0.05, rel=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_export_of_a_network_that_was_trained_on_a_gpu(plain: tuple[Path, list[Any]], tmp_path: Path) -> None:
    folder, _ = plain
    recipe = tiny_recipe(folder, "gpu-export", device="cuda", semi=None, steps=2)
    trainer = Trainer(recipe, progress=False)
    trainer.train()
    export(trainer.folder.best, tmp_path / "gpu.onnx", precision="float32")
    assert (tmp_path / "gpu.onnx").stat().st_size > 1_000_000


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_faster_than_the_processor(tmp_path: Path) -> None:
    speeds = {}
    for device in ("cpu", "cuda"):
        model = ModelRecipe("efficientnet_lite0", pretrained=False, image_size=112)
        recipe = recipe_for(
            tmp_path,
            run=str(tmp_path / device),
            device=device,
            model=model,
            batch_size=32,
            steps=20,
            log_every=20,
            validate_every=20,
            checkpoint_every=20,
            warm_steps=0,
            workers=1,
        )
        Trainer(recipe, progress=False).train()
        lines = [json.loads(line) for line in (tmp_path / device / "metrics.jsonl").read_text().splitlines()]
        speeds[device] = next(line["images_per_s"] for line in lines if "nll" in line)
    assert speeds["cuda"] > speeds["cpu"]
