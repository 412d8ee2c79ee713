"""Supervised training of the pose network: negative log-likelihood of a matrix Fisher, and nothing else.

A run is a pure function of its recipe: samples, views and dropout masks are keyed by (seed, step), so a run
that is killed at any moment and resumed ends with the very same weights and metrics.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader
from tqdm import tqdm

from semiuhpe.distributions.matrix_fisher import nll
from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.models.checkpoint import (
    load_checkpoint,
    load_module,
    load_optimiser,
    optimiser_tensors,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training import recipe as recipes
from semiuhpe.training.data import LabelledViews, one_thread_per_worker, training_sources
from semiuhpe.training.recipe import OptimiserRecipe, Recipe
from semiuhpe.training.run_folder import RunFolder
from semiuhpe.training.sampler import StepSampler
from semiuhpe.training.teacher import AveragedNetwork
from semiuhpe.training.validation import ValidationSet, validate, validation_sets


def learning_rate(recipe: OptimiserRecipe, step: int, steps: int) -> float:
    """The learning rate of a step: linear warm-up, then cosine (or constant)."""
    if step < recipe.warmup_steps:
        return recipe.lr * (step + 1) / recipe.warmup_steps
    if recipe.schedule == "constant":
        return recipe.lr
    progress = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return recipe.lr * (recipe.final_lr_ratio + (1 - recipe.final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@dataclass(frozen=True)
class _StepResult:
    """What a step leaves behind; turned into numbers only when they are logged, which waits for the device."""

    loss: Tensor
    gradient_norm: Tensor | None
    parameter: Tensor
    rotations: Tensor

    def values(self) -> dict[str, float]:
        clipped = {} if self.gradient_norm is None else {"gradient_norm": float(self.gradient_norm)}
        error = _mean_error_deg(self.parameter, self.rotations)
        return {"nll": float(self.loss), **clipped, "train_error_deg": error}


class Trainer:
    """One supervised run. `train()` runs it to its end, from the last checkpoint if there is one."""

    def __init__(self, recipe: Recipe, *, progress: bool = True) -> None:
        recipes.check(recipe)
        self.recipe = recipe
        self.progress = progress
        self.folder = RunFolder(recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        # Denormal numbers make a CPU step several times slower and mean nothing here.
        torch.set_flush_denormal(True)
        self.fabric = Fabric(accelerator=recipe.device, devices=1, precision=recipe.precision)
        torch.manual_seed(recipe.seed)
        settings = recipe.model
        self.network = PoseNet(
            settings.backbone,
            head=settings.head,
            dropout=settings.dropout,
            pretrained=settings.pretrained and not recipe.initial_weights,
            frozen_stages=settings.frozen_stages,
        ).to(self.fabric.device)
        if recipe.initial_weights:
            load_module(self.network, *_weights_of(recipe.initial_weights))
        self.network.train()
        self.teacher = AveragedNetwork(self.network, recipe.optimiser.ema_decay)
        optimiser: Optimizer = AdamW(
            parameter_groups(self.network, recipe.optimiser.weight_decay), lr=recipe.optimiser.lr
        )
        self.model, self.optimiser = self.fabric.setup(self.network, optimiser)
        self.sources = training_sources(recipe.labelled)
        self.sets: list[ValidationSet] = validation_sets(recipe)
        self.step = 0
        self.best_score = math.inf
        if self.folder.last.exists():
            self._resume()

    def train(self) -> dict[str, float]:
        """Run to the end. Returns the last validation's scores of the averaged weights, in degrees."""
        recipe = self.recipe
        sampler = StepSampler(
            [len(s) for s in self.sources],
            [d.weight for d in recipe.labelled],
            recipe.batch_size,
            seed=recipe.seed,
            first=self.step,
            last=recipe.steps,
            picture_size=lambda step: recipe.warm_size if step < recipe.warm_steps else recipe.model.image_size,
        )
        loader = DataLoader(
            LabelledViews(self.sources, recipe),
            batch_sampler=sampler,
            num_workers=recipe.workers,
            # LMDB refuses to be opened again in a fork of a process that has it open.
            multiprocessing_context="spawn" if recipe.workers else None,
            worker_init_fn=one_thread_per_worker,
            pin_memory=self.fabric.device.type == "cuda",
        )
        scores: dict[str, float] = {}
        bar = tqdm(total=recipe.steps, initial=self.step, disable=not self.progress, unit="step", dynamic_ncols=True)
        started, since = time.perf_counter(), self.step
        for images, rotations in loader:
            rate = learning_rate(recipe.optimiser, self.step, recipe.steps)
            step = self._train_step(images, rotations, rate)
            self.step += 1
            bar.update()
            if self.step % recipe.log_every == 0:
                values = step.values()
                speed = (self.step - since) * recipe.batch_size / (time.perf_counter() - started)
                self.folder.log({"step": self.step, "lr": rate, **values, "images_per_s": round(speed, 1)})
                bar.set_postfix(nll=f"{values['nll']:.3f}", error=f"{values['train_error_deg']:.1f}°")
            last = self.step == recipe.steps
            if last or self.step % recipe.validate_every == 0:
                scores = self._validate()
                bar.write(f"step {self.step}: " + ", ".join(f"{k} {v:.2f}°" for k, v in scores.items()))
            if last or self.step % recipe.checkpoint_every == 0:
                self._save()
        bar.close()
        return scores or validate(self.teacher.network, self.sets, self.fabric.device)

    def _train_step(self, images: Tensor, rotations: Tensor, rate: float) -> _StepResult:
        device = self.fabric.device
        images, rotations = images.to(device, non_blocking=True), rotations.to(device, non_blocking=True)
        # Keyed by the step, so dropout masks are the same after a resume.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        parameter = self.model(images)
        loss = nll(parameter, rotations, self.recipe.optimiser.overreg).mean()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        norm: Tensor | None = None
        if self.recipe.optimiser.clip:
            norm = self.fabric.clip_gradients(self.model, self.optimiser, max_norm=self.recipe.optimiser.clip)
        self.optimiser.step()
        self.teacher.update(self.network)
        return _StepResult(loss.detach(), norm, parameter.detach(), rotations)

    def _validate(self) -> dict[str, float]:
        averaged = validate(self.teacher.network, self.sets, self.fabric.device)
        current = validate(self.network, self.sets, self.fabric.device)
        score = averaged["mean"]
        if score < self.best_score or not self.sets:
            self.best_score = score if self.sets else self.best_score
            tensors = self.teacher.network.state_dict()
            state = {"step": self.step, "validation_deg": averaged, "recipe": recipes.to_dict(self.recipe)}
            save_checkpoint(self.folder.best, with_prefix("averaged", tensors), state)
        self.folder.log({"step": self.step, "validation_averaged_deg": averaged, "validation_current_deg": current})
        return averaged

    def _save(self) -> None:
        tensors = {
            **with_prefix("current", self.network.state_dict()),
            **with_prefix("averaged", self.teacher.network.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
        }
        best = None if math.isinf(self.best_score) else self.best_score
        state = {"step": self.step, "updates": self.teacher.updates, "best_score": best}
        save_checkpoint(self.folder.last, tensors, {**state, "recipe": recipes.to_dict(self.recipe)})

    def _resume(self) -> None:
        tensors, state = load_checkpoint(self.folder.last)
        origin = str(self.folder.last)
        load_module(self.network, under_prefix("current", tensors), origin)
        load_module(self.teacher.network, under_prefix("averaged", tensors), origin)
        load_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.step, self.teacher.updates = int(state["step"]), int(state["updates"])
        self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])
        self.folder.keep_metrics_until(self.step)


def _weights_of(path: str) -> tuple[dict[str, Tensor], str]:
    tensors, _ = load_checkpoint(Path(path))
    return under_prefix("averaged", tensors), path


def _mean_error_deg(parameter: Tensor, rotations: Tensor) -> float:
    predicted = project_to_rotation(parameter.double().cpu().numpy())
    return float(geodesic_distance(predicted, rotations.double().cpu().numpy()).mean() * 180 / math.pi)
