"""Training of the pose network, by any recipe: supervised alone, or supervised and then semi-supervised.

A run is a pure function of its recipe: samples, views and dropout masks are keyed by (seed, step), so a run
that is killed at any moment and resumed ends with the very same weights and metrics. Several processes may share it, see
`semiuhpe.training.ranks`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from semiuhpe.distributions.matrix_fisher import MatrixFisher
from semiuhpe.models.backbones import begins_pretrained
from semiuhpe.models.checkpoint import (
    AVERAGED,
    CURRENT,
    LAST,
    OPTIMIZER,
    RUNNING,
    load_checkpoint,
    load_module,
    load_optimizer,
    optimizer_tensors,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from semiuhpe.models.onnx_weights import load_exported
from semiuhpe.models.pose_net import PoseNet
from semiuhpe.training import faults
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.launch import start
from semiuhpe.training.optimizer import learning_rate, parameter_groups
from semiuhpe.training.pose import recipe as recipes
from semiuhpe.training.pose.accumulation import parts_of, whole_loss
from semiuhpe.training.pose.batches import LabeledBatch, StepSampler, UnlabeledBatch
from semiuhpe.training.pose.curves import draw_curves
from semiuhpe.training.pose.data import (
    LabelledViews,
    one_thread_per_worker,
    training_sources,
    training_views,
)
from semiuhpe.training.pose.pool import Pool
from semiuhpe.training.pose.recipe import Recipe
from semiuhpe.training.pose.recipe_checks import check, check_picture_size, check_shares
from semiuhpe.training.pose.run_folder import RunFolder, begun_with
from semiuhpe.training.pose.stage import Stage, stage_at, stages_of
from semiuhpe.training.pose.step import StepLoss, step_loss
from semiuhpe.training.pose.step_metrics import step_values
from semiuhpe.training.pose.teachers import TeacherAnswer
from semiuhpe.training.pose.threshold import Threshold
from semiuhpe.training.pose.validation import ValidationSet, validate, validation_sets
from semiuhpe.weights.devices import usable_threads

_SEEDS_OF_A_RANK = 2**40
_VIEWS_FOR_STATISTICS = 640  # to restore the batch norms of an export


class Trainer:
    """One run of a training. `train()` runs it to its end, from the last checkpoint if there is one.

    Args:
        recipe: what is trained, and how.
        progress: show a progress bar.

    Raises:
        RecipeError: the recipe asks for something impossible.
    """

    def __init__(self, recipe: Recipe, *, progress: bool = True) -> None:
        check(recipe)
        recipe = self.recipe = _resolved(recipe)
        if recipe.threads:
            torch.set_num_threads(usable_threads(recipe.threads))
        # Denormal numbers make a CPU step several times slower and mean nothing here.
        torch.set_flush_denormal(True)
        self.fabric, self.ranks = start(recipe)
        check_shares(recipe, self.ranks.count)
        self.stages, self.step = stages_of(recipe), 0
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
        check_picture_size(recipe, self.network.fixed_size)
        self.sources = training_sources(recipe.labelled)
        if recipe.initial_weights and not self.folder.last.exists():
            self._start_from(recipe.initial_weights)
        if self.ranks.count > 1 and self.ranks.device.type == "cuda":
            self.network.synchronize_norms()
        self.network.train()
        # A fused step scales gradients back by itself, after which they could not be clipped.
        optimizer: Optimizer = AdamW(
            parameter_groups(self.network, recipe.optimizer.weight_decay, recipe.optimizer.layer_decay),
            lr=recipe.optimizer.lr,
            fused=recipe.precision != "16-mixed",
        )
        student: Any = torch.compile(self.network) if recipe.compile else self.network
        self.ranks.align_gradients(self.network)
        self.model, self.optimizer = self.fabric.setup(student, optimizer)
        # After the setup, which gives every rank the weights of the first.
        self.teacher = AveragedNetwork(self.network, self.stage.ema_decay)
        self.sets: list[ValidationSet] = validation_sets(recipe, self.ranks)
        self.pool = None if recipe.semi is None else Pool(recipe, self.folder.path, self.fabric.autocast, self.ranks)
        self.best_score = math.inf
        if self.folder.last.exists():
            self._resume()
        self.saved_step = self.step
        self.losses = faults.LossWatch()
        with faults.writing(self.folder.path, self.step):
            self.folder.begin_after(self.step)

    def train(self) -> dict[str, float]:
        """Run to the end.

        Returns:
            The last validation's scores of the averaged weights, degrees, by name.

        Raises:
            RankLostError: the training is shared by processes and another one ends.
            TrainingError: a loss is not finite, the disk is full, or another training writes to the folder.
        """
        alone = faults.alone_in(self.folder.path) if self.ranks.writes else nullcontext()
        with alone, closing(self.folder), self.ranks.errors_explained():
            return self._train()

    def _train(self) -> dict[str, float]:
        recipe = self.recipe
        scores: dict[str, float] = {}
        bar = tqdm(total=recipe.steps, initial=self.step, disable=not self.progress, unit="step", dynamic_ncols=True)
        started, since = time.perf_counter(), self.step
        labelled, unlabelled = self._labelled_batches(), self._unlabelled_batches()
        while self.step < recipe.steps:
            if self.pool is not None and self.stage.estimates_at(self.step):
                # Logged with the step that follows: a resumed run estimates again, and writes its own line.
                with self._writing():
                    self.folder.log({"step": self.step + 1, **self.pool.estimate(self.teacher.network, self.step)})
            rate = learning_rate(recipe.optimizer, self.step, recipe.steps) * self.stage.lr_ratio
            loss, norm = self._train_step(next(labelled), next(unlabelled), rate)
            self.step += 1
            bar.update()
            self._check_numbers()
            if self.step % recipe.log_every == 0:
                values: dict[str, Any] = step_values(loss, norm, self.ranks, recipe.batch_size)
                if self.pool is not None and loss.unsupervised is not None:
                    values |= self.pool.values(loss.unsupervised)
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
            if self._stage_ends() and not last:
                self._enter_stage()
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
        options = self.recipe.optimizer
        raise faults.diverged(
            self.folder.path,
            step if first is None else first,
            "weights are" if first is None else "loss is",
            lr=f"--optimizer.lr (now {options.lr:g})",
            clip=f"--optimizer.clip (now {options.clip:g}; 0 = none)",
            kept=self.saved_step,
            best=self.folder.best if self.folder.best.exists() else None,
        )

    @property
    def stage(self) -> Stage:
        """The stage of the step to come."""
        return stage_at(self.stages, self.step)

    def _stage_ends(self) -> bool:
        """Whether the steps of a stage are done, and none of the next."""
        return any(self.step == stage.end for stage in self.stages)

    def _labelled_batches(self) -> Iterator[LabeledBatch]:
        views, size = LabelledViews(self.sources, self.recipe), self.recipe.batch_size
        weights = [data.weight for data in self.recipe.labelled]
        loader = self._loader(views, [len(s) for s in self.sources], weights, size, self.step)
        for images, rotation, target in loader:
            yield LabeledBatch(images, rotation, target, self.ranks.share(size))

    def _unlabelled_batches(self) -> Iterator[UnlabeledBatch | None]:
        """One for every step to come, None for those of a stage of labelled heads alone."""
        first = next((stage.first for stage in self.stages if stage.semi is not None), self.recipe.steps)
        yield from itertools.repeat(None, max(0, first - self.step))
        if self.pool is None:
            return
        first = max(first, self.step)
        loader = self._loader(self.pool.views, self.pool.counts, self.pool.weights, self.pool.batch_size, first)
        for step, samples in enumerate(loader, start=first):
            yield self.pool.batch(samples, step)

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

    def _enter_stage(self) -> None:
        """Student and teacher both take up the best weights of the stage before; the optimizer goes on.

        Before the checkpoint of the stage's end: a run that resumes from it later may find better weights in the folder.
        """
        if self.folder.best.exists():
            tensors, _ = load_checkpoint(self.folder.best)
            load_module(self.network, under_prefix(AVERAGED, tensors), str(self.folder.best))
        self.teacher = AveragedNetwork(self.network, self.stage.ema_decay)

    def _train_step(
        self, labelled: LabeledBatch, unlabelled: UnlabeledBatch | None, rate: float
    ) -> tuple[StepLoss, Tensor | None]:
        """One update of the student and its average. → the loss, and the norm of its gradient where it is clipped."""
        # Keyed by the step, so dropout masks are the same after a resume; and by the rank, whose heads are others.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step + self.ranks.number * _SEEDS_OF_A_RANK)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["lr_factor"]
        self.optimizer.zero_grad()
        loss = self._backward(labelled, unlabelled)
        self.losses.see(loss.total, self.step + 1)
        norm: Tensor | None = None
        if self.recipe.optimizer.clip:
            norm = self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.recipe.optimizer.clip)
        self.optimizer.step()
        self.ranks.agree_on_statistics(self.network)
        self.teacher.update(self.network)
        return loss, norm

    def _backward(self, labelled: LabeledBatch, unlabelled: UnlabeledBatch | None) -> StepLoss:
        """Leave the gradient of a step in the parameters. The processes exchange it once, with the last part of the batch."""
        device = self.fabric.device
        labelled, unlabelled = labelled.to(device), None if unlabelled is None else unlabelled.to(device)
        count = self.recipe.optimizer.accumulate
        parts = parts_of(labelled, unlabelled, count, self._ask_teachers, self._threshold_for)
        losses = []
        for part in parts:
            with self.fabric.no_backward_sync(self.model, enabled=part is not parts[-1]):
                loss = step_loss(
                    self.model, part.teacher, part.labeled, part.unlabeled, part.threshold, self.stage, self.step
                )
                self.fabric.backward(loss.total)
            losses.append(loss)
        return whole_loss(losses, labelled, unlabelled)

    def _ask_teachers(self, looks: Sequence[Tensor]) -> TeacherAnswer:
        assert self.pool is not None
        return self.pool.teachers.ask(self.teacher.network, looks)

    def _threshold_for(self, belief: MatrixFisher) -> Threshold:
        assert self.pool is not None
        return self.pool.threshold_for(belief)

    def _validate(self) -> dict[str, float]:
        averaged = validate(self.teacher.network, self.sets, self.ranks)
        current = validate(self.network, self.sets, self.ranks)
        score = averaged.errors_deg.get("mean", math.inf)
        if score < self.best_score or not self.sets:
            self.best_score = score
            tensors = self.teacher.network.state_dict()
            state = {"step": self.step, "validation_deg": averaged.errors_deg, "recipe": recipes.to_dict(self.recipe)}
            if self.ranks.writes:
                save_checkpoint(self.folder.best, with_prefix(AVERAGED, tensors), state)
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
            **with_prefix(CURRENT, self.network.state_dict()),
            **with_prefix(AVERAGED, self.teacher.network.state_dict()),
            **with_prefix(OPTIMIZER, optimizer_tensors(self.optimizer)),
        }
        best = None if math.isinf(self.best_score) else self.best_score
        running, threshold = ({}, None) if self.pool is None else self.pool.state()
        tensors |= with_prefix(RUNNING, running)
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
            load_module(self.network, under_prefix(AVERAGED, tensors), weights)
        else:
            # Plain crops have other statistics, by which the first steps would undo the weights.
            load_exported(self.network, weights, training_views(self.recipe, self.sources, _VIEWS_FOR_STATISTICS))

    def _resume(self) -> None:
        tensors, state = load_checkpoint(self.folder.last)
        origin = str(self.folder.last)
        load_module(self.network, under_prefix(CURRENT, tensors), origin)
        load_module(self.teacher.network, under_prefix(AVERAGED, tensors), origin)
        load_optimizer(self.optimizer, under_prefix(OPTIMIZER, tensors))
        if "scaler" in state:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.step, self.teacher.updates = int(state["step"]), int(state["updates"])
        self.teacher.decay = self.stage.ema_decay
        if self.pool is not None:
            self.pool.resume(under_prefix(RUNNING, tensors), state["threshold"])
        self.best_score = math.inf if state["best_score"] is None else float(state["best_score"])


def _resolved(recipe: Recipe) -> Recipe:
    """The recipe with what it leaves open: whether its backbone begins with ImageNet weights."""
    wanted, run = recipe.model.pretrained, Path(recipe.run)
    if wanted is None and (run / LAST).exists():
        wanted = begun_with(run)["model"]["pretrained"]
    pretrained = not recipe.initial_weights and begins_pretrained(recipe.model.backbone, wanted)
    return replace(recipe, model=replace(recipe.model, pretrained=pretrained))
