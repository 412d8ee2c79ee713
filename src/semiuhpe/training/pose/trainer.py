"""Training of the pose network, by any recipe: supervised alone, or supervised and then semi-supervised.

A run is a pure function of its recipe: samples, views and dropout masks are keyed by (seed, step), so a run
that is killed at any moment and resumed ends with the very same weights and metrics. Several processes may share it, see
`semiuhpe.training.ranks`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from semiuhpe.geometry.rotation import geodesic_distance, project_to_rotation
from semiuhpe.models.backbones import begins_pretrained
from semiuhpe.models.checkpoint import (
    LAST,
    load_checkpoint,
    load_module,
    load_optimiser,
    optimiser_tensors,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from semiuhpe.models.onnx_weights import load_exported
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training import faults
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.launch import start
from semiuhpe.training.optimizer import learning_rate, parameter_groups, supervised_loss
from semiuhpe.training.pose import recipe as recipes
from semiuhpe.training.pose.batches import StepSampler
from semiuhpe.training.pose.curves import draw_curves
from semiuhpe.training.pose.data import (
    LabelledViews,
    canonical_crops,
    one_thread_per_worker,
    spread_heads,
    training_sources,
)
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.run_folder import RunFolder, begun_with
from semiuhpe.training.pose.second_stage import SecondStage
from semiuhpe.training.pose.semi_supervised import UnlabelledBatch
from semiuhpe.training.pose.validation import ValidationSet, validate, validation_sets
from semiuhpe.training.ranks import Ranks
from semiuhpe.weights.devices import usable_threads

_SEEDS_OF_A_RANK = 2**40
_HEADS_FOR_STATISTICS = 128  # of each source, to restore the batch norms of an export


@dataclass(frozen=True)
class _StepResult:
    """What a step leaves behind; turned into numbers only when they are logged, which waits for the device."""

    loss: Tensor
    gradient_norm: Tensor | None
    parameter: Tensor
    rotations: Tensor

    def values(self, ranks: Ranks, total: int) -> dict[str, float]:
        """Numbers about the `total` heads of all ranks."""
        clipped = {} if self.gradient_norm is None else {"gradient_norm": float(self.gradient_norm)}
        error = _mean_error_deg(*(ranks.gather(part.float(), total) for part in (self.parameter, self.rotations)))
        return {"nll": float(ranks.mean(self.loss)), **clipped, "train_error_deg": error}


class Trainer:
    """One run. `train()` runs it to its end, from the last checkpoint if there is one."""

    def __init__(self, recipe: Recipe, *, progress: bool = True) -> None:
        recipes.check(recipe)
        recipe = self.recipe = _resolved(recipe)
        if recipe.threads:
            torch.set_num_threads(usable_threads(recipe.threads))
        # Denormal numbers make a CPU step several times slower and mean nothing here.
        torch.set_flush_denormal(True)
        self.fabric, self.ranks = start(recipe)
        recipes.check_shares(recipe, self.ranks.count)
        self.progress = progress and self.ranks.writes
        with faults.writing(Path(recipe.run), 0):
            self.folder = RunFolder(recipe, writes=self.ranks.writes)
        torch.manual_seed(recipe.seed)
        settings = recipe.model
        self.network = PoseNet(
            settings.backbone,
            head=settings.head,
            dropout=settings.dropout,
            pretrained=bool(settings.pretrained) and not self.folder.last.exists(),
            frozen_stages=settings.frozen_stages,
            frozen_norms=settings.frozen_norms,
            channels_last=settings.channels_last,
        ).to(self.fabric.device)
        recipes.check_picture_size(recipe, self.network.fixed_size)
        self.sources = training_sources(recipe.labelled)
        if recipe.initial_weights and not self.folder.last.exists():
            self._start_from(recipe.initial_weights)
        if self.ranks.count > 1 and self.ranks.device.type == "cuda":
            self.network.synchronise_norms()
        self.network.train()
        # A fused step scales gradients back by itself, after which they could not be clipped.
        optimiser: Optimizer = AdamW(
            parameter_groups(self.network, recipe.optimiser.weight_decay),
            lr=recipe.optimiser.lr,
            fused=recipe.precision != "16-mixed",
        )
        student: Any = torch.compile(self.network) if recipe.compile else self.network
        self.ranks.align_gradients(self.network)
        self.model, self.optimiser = self.fabric.setup(student, optimiser)
        # After the setup, which gives every rank the weights of the first.
        self.teacher = AveragedNetwork(self.network, recipe.optimiser.ema_decay)
        self.sets: list[ValidationSet] = validation_sets(recipe, self.ranks)
        self.second = (
            None if recipe.semi is None else SecondStage(recipe, self.folder.path, self.fabric.autocast, self.ranks)
        )
        self.step = 0
        self.best_score = math.inf
        if self.folder.last.exists():
            self._resume()
        self.saved_step = self.step
        self.losses = faults.LossWatch()
        with faults.writing(self.folder.path, self.step):
            self.folder.begin_after(self.step)

    def train(self) -> dict[str, float]:
        """Run to the end. Returns the last validation's scores of the averaged weights, in degrees.

        Raises RankLostError where the training is shared by processes and another one ends, TrainingError where a loss is
        not finite, the disk is full, or another training writes to the folder.
        """
        alone = faults.alone_in(self.folder.path) if self.ranks.writes else nullcontext()
        with alone, self.ranks.errors_explained():
            return self._train()

    def _train(self) -> dict[str, float]:
        recipe = self.recipe
        scores: dict[str, float] = {}
        bar = tqdm(total=recipe.steps, initial=self.step, disable=not self.progress, unit="step", dynamic_ncols=True)
        started, since = time.perf_counter(), self.step
        labelled, unlabelled = self._labelled_batches(), self._unlabelled_batches()
        if self.step == 0 and self._stage_ends():
            self._enter_second_stage()
        while self.step < recipe.steps:
            if self.second is not None and self.second.estimates_at(self.step):
                # Logged with the step that follows: a resumed run estimates again, and writes its own line.
                with self._writing():
                    self.folder.log({"step": self.step + 1, **self.second.estimate(self.teacher.network, self.step)})
            heads = next(labelled)
            batch = next(unlabelled) if self.second is not None and self.second.covers(self.step) else None
            rate = self._rate()
            step = self._train_step(heads, batch, rate)
            self.step += 1
            bar.update()
            self._check_numbers()
            if self.step % recipe.log_every == 0:
                values = step.values(self.ranks, recipe.batch_size)
                if self.second is not None and batch is not None:
                    values |= self.second.last_values()
                speed = (self.step - since) * recipe.batch_size / (time.perf_counter() - started)
                with self._writing():
                    self.folder.log({"step": self.step, "lr": rate, **values, "images_per_s": round(speed, 1)})
                bar.set_postfix(nll=f"{values['nll']:.3f}", error=f"{values['train_error_deg']:.1f}°")
            last = self.step == recipe.steps
            if last or self.step % recipe.validate_every == 0 or self._stage_ends():
                with self._writing():
                    scores = self._validate()
                if self.ranks.writes:
                    bar.write(f"step {self.step}: " + ", ".join(f"{k} {v:.2f}°" for k, v in scores.items()))
            if self._stage_ends():
                self._enter_second_stage()
            if last or self.step % recipe.checkpoint_every == 0 or self._stage_ends():
                with self._writing():
                    self._save()
                self.saved_step = self.step
        bar.close()
        return scores or validate(self.teacher.network, self.sets, self.ranks).errors_deg

    def _writing(self) -> AbstractContextManager[None]:
        return faults.writing(self.folder.path, self.step)

    def _check_numbers(self) -> None:
        """Raise TrainingError before anything that is not finite is logged, validated or saved.

        A GPU is asked only at steps at which it is waited for anyway. Weights are looked at before they are kept: the
        gradient of a finite loss may still spoil them.
        """
        recipe, step = self.recipe, self.step
        keeps = step == recipe.steps or self._stage_ends()
        keeps = keeps or step % recipe.validate_every == 0 or step % recipe.checkpoint_every == 0
        if not keeps and step % recipe.log_every and self.fabric.device.type != "cpu":
            return
        first = self.losses.first
        if first is None and (not keeps or faults.all_finite(self.network)):
            return
        options = self.recipe.optimiser
        raise faults.diverged(
            self.folder.path, step if first is None else first, "weights are" if first is None else "loss is",
            lr=f"--optimiser.lr (now {options.lr:g})", clip=f"--optimiser.clip (now {options.clip:g}; 0 = none)",
            kept=self.saved_step, best=self.folder.best if self.folder.best.exists() else None,
        )  # fmt: skip

    def _stage_ends(self) -> bool:
        """Whether the steps of stage 1 are done, and none of stage 2."""
        return self.second is not None and self.second.begins_at(self.step)

    def _labelled_batches(self) -> Iterator[list[Tensor]]:
        views = LabelledViews(self.sources, self.recipe)
        weights = [data.weight for data in self.recipe.labelled]
        return iter(self._loader(views, [len(s) for s in self.sources], weights, self.recipe.batch_size, self.step))

    def _unlabelled_batches(self) -> Iterator[UnlabelledBatch]:
        if self.second is None:
            return
        first = max(self.step, self.second.settings.stage1_steps)
        views, counts, weights = self.second.views, self.second.counts, self.second.weights
        loader = self._loader(views, counts, weights, self.second.batch_size, first)
        for step, samples in enumerate(loader, start=first):
            yield self.second.batch(samples, step)

    def _loader(
        self, views: Dataset[tuple[Tensor, ...]], counts: list[int], weights: list[float], batch_size: int, first: int
    ) -> DataLoader[list[Tensor]]:
        recipe = self.recipe
        sampler = StepSampler(
            counts,
            weights,
            batch_size,
            seed=recipe.seed,
            first=first,
            last=recipe.steps,
            picture_size=lambda step: recipe.warm_size if step < recipe.warm_steps else recipe.model.image_size,
            part=self.ranks.part(batch_size),
        )
        return DataLoader(
            views,  # type: ignore[arg-type]
            batch_sampler=sampler,
            num_workers=recipe.workers,
            # LMDB refuses to be opened again in a fork of a process that has it open.
            multiprocessing_context="spawn" if recipe.workers else None,
            worker_init_fn=one_thread_per_worker,
            pin_memory=self.fabric.device.type == "cuda",
        )

    def _rate(self) -> float:
        rate = learning_rate(self.recipe.optimiser, self.step, self.recipe.steps)
        in_second = self.second is not None and self.second.covers(self.step)
        return rate * self.second.settings.stage2_lr_ratio if self.second is not None and in_second else rate

    def _enter_second_stage(self) -> None:
        """Student and teacher both take up the best weights of the first stage; the optimiser goes on.

        Before the checkpoint of the stage's end: a run that resumes from it later may find better weights in the folder.
        """
        assert self.second is not None
        if self.step and self.folder.best.exists():
            tensors, _ = load_checkpoint(self.folder.best)
            load_module(self.network, under_prefix("averaged", tensors), str(self.folder.best))
        self.teacher = AveragedNetwork(self.network, self.second.settings.teacher_decay)

    def _train_step(self, heads: list[Tensor], batch: UnlabelledBatch | None, rate: float) -> _StepResult:
        """heads: images, rotations and targets of `LabelledViews`."""
        device = self.fabric.device
        images, rotations, targets = (part.to(device, non_blocking=True) for part in heads)
        # Keyed by the step, so dropout masks are the same after a resume; and by the rank, whose heads are others.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step + self.ranks.number * _SEEDS_OF_A_RANK)
        parameter = self.model(images)
        supervised = supervised_loss(parameter, targets, self.recipe.optimiser).mean()
        # Gradients are averaged over the ranks, whose parts of the batch may differ by one head.
        loss = supervised = supervised * self.ranks.share(self.recipe.batch_size)
        if self.second is not None and batch is not None:
            unsupervised = self.second.loss(self.model, self.teacher.network, batch.to(device))
            loss = supervised + self.second.loss_weight(self.step) * unsupervised
        self.losses.see(loss, self.step + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        norm: Tensor | None = None
        if self.recipe.optimiser.clip:
            norm = self.fabric.clip_gradients(self.model, self.optimiser, max_norm=self.recipe.optimiser.clip)
        self.optimiser.step()
        self.ranks.agree_on_statistics(self.network)
        self.teacher.update(self.network)
        return _StepResult(supervised.detach(), norm, parameter.detach(), rotations)

    def _validate(self) -> dict[str, float]:
        averaged = validate(self.teacher.network, self.sets, self.ranks)
        current = validate(self.network, self.sets, self.ranks)
        score = averaged.errors_deg.get("mean", math.inf)
        if score < self.best_score or not self.sets:
            self.best_score = score
            tensors = self.teacher.network.state_dict()
            state = {"step": self.step, "validation_deg": averaged.errors_deg, "recipe": recipes.to_dict(self.recipe)}
            if self.ranks.writes:
                save_checkpoint(self.folder.best, with_prefix("averaged", tensors), state)
        errors = {"validation_averaged_deg": averaged.errors_deg, "validation_current_deg": current.errors_deg}
        shares = {"validation_averaged_within_45": averaged.within_45} if averaged.within_45 else {}
        self.folder.log({"step": self.step, **errors, **shares})
        if self.ranks.writes:
            draw_curves(self.folder.path)
        self.ranks.wait()
        return averaged.errors_deg

    def _save(self) -> None:
        if not self.ranks.writes:
            return
        tensors = {
            **with_prefix("current", self.network.state_dict()),
            **with_prefix("averaged", self.teacher.network.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
        }
        best = None if math.isinf(self.best_score) else self.best_score
        running, threshold = ({}, None) if self.second is None else self.second.state()
        tensors |= with_prefix("running", running)
        state: dict[str, Any] = {"step": self.step, "updates": self.teacher.updates}
        state |= {"best_score": best, "threshold": threshold}
        scaler = self.fabric.strategy.precision.state_dict()  # of the loss, in 16-mixed
        state |= {"scaler": scaler} if scaler else {}
        save_checkpoint(self.folder.last, tensors, {**state, "recipe": recipes.to_dict(self.recipe)})

    def _start_from(self, weights: str) -> None:
        """Initial weights: the averaged ones of a run, a backbone's alone, or those of an export."""
        if weights.endswith(".safetensors"):
            tensors, _ = load_checkpoint(Path(weights))
            backbone = under_prefix("backbone", tensors)
            if backbone:
                load_module(self.network.backbone, backbone, weights)
                return
            load_module(self.network, under_prefix("averaged", tensors), weights)
        else:
            heads = [spread_heads(source, _HEADS_FOR_STATISTICS) for source in self.sources]
            crops = np.concatenate([canonical_crops(head, self.recipe.model.image_size) for head in heads])
            load_exported(self.network, weights, crops)

    def _resume(self) -> None:
        tensors, state = load_checkpoint(self.folder.last)
        origin = str(self.folder.last)
        load_module(self.network, under_prefix("current", tensors), origin)
        load_module(self.teacher.network, under_prefix("averaged", tensors), origin)
        load_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        if "scaler" in state:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.step, self.teacher.updates = int(state["step"]), int(state["updates"])
        if self.second is not None:
            self.second.resume(under_prefix("running", tensors), state["threshold"])
            if self.second.covers(self.step):
                self.teacher.decay = self.second.settings.teacher_decay
        self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])


def _resolved(recipe: Recipe) -> Recipe:
    """The recipe with what it leaves open: whether its backbone begins with ImageNet weights."""
    wanted, run = recipe.model.pretrained, Path(recipe.run)
    if wanted is None and (run / LAST).exists():
        wanted = begun_with(run)["model"]["pretrained"]
    pretrained = not recipe.initial_weights and begins_pretrained(recipe.model.backbone, wanted)
    return replace(recipe, model=replace(recipe.model, pretrained=pretrained))


def _mean_error_deg(parameter: Tensor, rotations: Tensor) -> float:
    predicted = project_to_rotation(parameter.double().cpu().numpy())
    return float(geodesic_distance(predicted, rotations.double().cpu().numpy()).mean() * 180 / math.pi)
