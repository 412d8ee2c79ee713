"""Training the head detector: AdamW, cosine, averaged weights; killed at any moment, it goes on as if it had not been.

Scene number i of step k comes from a generator seeded by (seed, k, i), the learning rate follows from the step, and
nothing else is random, so a checkpoint of weights, averages and optimizer is the whole state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semiuhpe.detection.average_precision import Detections, precision_recall
from semiuhpe.detection.canvas import letterbox
from semiuhpe.errors import RecipeError, WeightsError
from semiuhpe.files.atomic import json_value
from semiuhpe.geometry.boxes import non_maximum_suppression
from semiuhpe.models.checkpoint import (
    AVERAGED,
    CURRENT,
    LAST,
    OPTIMIZER,
    load_checkpoint,
    load_module,
    load_optimizer,
    optimizer_tensors,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from semiuhpe.models.head_detector import HeadDetectorNet, cell_centers
from semiuhpe.models.onnx_weights import load_exported
from semiuhpe.sources.scut_head import AnnotatedPhoto
from semiuhpe.training import faults
from semiuhpe.training.detector.loss import assign, detector_loss
from semiuhpe.training.detector.recipe import DetectorRecipe, to_dict
from semiuhpe.training.detector.scenes import Scene, SceneMaker
from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.metrics_log import METRICS, append_metrics, drop_metrics_after
from semiuhpe.weights import embedded_detector
from semiuhpe.weights.devices import usable_threads

_SCENES_FOR_STATISTICS = 48
_OF_STATISTICS = 2**32
"""A number that no step has: the generator of those scenes."""

_MAY_CHANGE = {"run", "threads", "checkpoint_every", "validate_every", "validate_photos"}


def learning_rate(recipe: DetectorRecipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def _optimizer(network: HeadDetectorNet, recipe: DetectorRecipe) -> torch.optim.AdamW:
    """Four groups: the backbone's and the new layers' weights, and the same for what is not to decay (vectors)."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("stages."), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "factor": recipe.backbone_rate if backbone else 1.0,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (backbone, decays), parameters in sorted(groups.items())
        ],
        lr=recipe.learning_rate,
    )


class DetectorTraining:
    """One run: the network, its average and its optimizer at some step.

    Opening a folder that holds a checkpoint continues it. Raises RecipeError if that run had another recipe (unless
    `changed_data` allows new pictures to come in), WeightsError if its checkpoint is damaged.
    """

    def __init__(
        self, recipe: DetectorRecipe, scenes: SceneMaker, *, pretrained: bool = True, changed_data: bool = False
    ):
        torch.set_num_threads(usable_threads(recipe.threads))
        torch.set_flush_denormal(True)
        self.recipe, self.scenes = recipe, scenes
        self.folder = Path(recipe.run)
        self.folder.mkdir(parents=True, exist_ok=True)
        resumes = (self.folder / LAST).is_file()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            begun = resumes or bool(recipe.initial or recipe.initial_backbone)
            self.network = HeadDetectorNet(recipe.channels, stages=recipe.stages, pretrained=pretrained and not begun)
        if recipe.initial and not resumes:
            self._start_from(recipe.initial)
        if recipe.initial_backbone and not resumes:
            self._start_backbone_from(recipe.initial_backbone)
        self.network.freeze(recipe.frozen_stages)
        self.average = AveragedNetwork(self.network, recipe.ema)
        self.optimizer = _optimizer(self.network, recipe)
        self.step = self.saved_step = 0
        self.history: list[dict[str, Any]] = []
        self.centers, self.strides = cell_centers(recipe.size, recipe.size)
        if resumes:
            self._resume(changed_data)
        elif (self.folder / METRICS).exists():
            (self.folder / METRICS).unlink()

    def _start_from(self, weights: str) -> None:
        """Initial weights: the averaged ones of a run, or those of an export."""
        if weights.endswith(".safetensors"):
            tensors, _ = load_checkpoint(Path(weights))
            load_module(self.network, under_prefix(AVERAGED, tensors), weights)
            return
        rng = np.random.default_rng([self.recipe.seed, _OF_STATISTICS])
        scenes = np.stack([self.scenes.scene(rng).image for _ in range(_SCENES_FOR_STATISTICS)])
        load_exported(self.network, str(embedded_detector(weights)), scenes)

    def _start_backbone_from(self, checkpoint: str) -> None:
        """Stem and stages of the averaged weights of a run; it may have had more stages."""
        tensors, _ = load_checkpoint(Path(checkpoint))
        averaged, own = under_prefix(AVERAGED, tensors), self.network.state_dict()
        backbone = {name for name in own if name.startswith(("stem.", "stages."))}
        if not backbone <= averaged.keys():
            raise WeightsError(f"{checkpoint}: has no backbone of {self.recipe.stages} stages; give a run's checkpoint")
        load_module(self.network, own | {name: averaged[name] for name in backbone}, checkpoint)

    def _resume(self, changed_data: bool) -> None:
        tensors, state = load_checkpoint(self.folder / LAST)
        # A key that came later was at its default.
        before, now = {**to_dict(DetectorRecipe()), **state["recipe"]}, to_dict(self.recipe)
        changed = [key for key in now if key not in _MAY_CHANGE and before[key] != now[key]]
        data = {"portraits", "renders", "render_count", "headless", "helmet_repeats", "hard", "steps"} | {
            key for key in now if key.endswith("_share")
        }
        if set(changed) - (data if changed_data else set()):
            raise RecipeError(
                f"{self.folder}: was begun with another {', '.join(changed)}; choose another --run or delete the folder"
            )
        origin = str(self.folder / LAST)
        load_module(self.network, under_prefix(CURRENT, tensors), origin)
        load_module(self.average.network, under_prefix(AVERAGED, tensors), origin)
        load_optimizer(self.optimizer, under_prefix(OPTIMIZER, tensors))
        self.step, self.average.updates = int(state["step"]), int(state["updates"])
        self.saved_step = self.step
        self.history = list(state["history"])
        if changed:
            self.history.append({"step": self.step, "recipe_before": before})
        drop_metrics_after(self.folder / METRICS, self.step)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        tensors = (
            with_prefix(CURRENT, self.network.state_dict())
            | with_prefix(AVERAGED, self.average.network.state_dict())
            | with_prefix(OPTIMIZER, optimizer_tensors(self.optimizer))
        )
        state = {
            "step": self.step,
            "updates": self.average.updates,
            "recipe": to_dict(self.recipe),
            "history": self.history,
        }
        save_checkpoint(self.folder / LAST, tensors, state)
        self.saved_step = self.step

    def batch(self, step: int) -> list[Scene]:
        """The scenes of a step."""
        return [
            self.scenes.scene(np.random.default_rng([self.recipe.seed, step, index]))
            for index in range(self.recipe.batch)
        ]

    def advance(self) -> dict[str, float]:
        """One optimizer step. → its losses. Raises TrainingError where they, or their gradient, are not finite."""
        scenes = self.batch(self.step)
        heads = [torch.from_numpy(scene.heads).float() for scene in scenes]
        targets = [
            assign(self.centers, self.strides, own, torch.from_numpy(scene.ignored).float())
            for own, scene in zip(heads, scenes, strict=True)
        ]
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.network.train()
        logits, boxes = self.network(torch.from_numpy(np.stack([scene.image for scene in scenes])))
        score_loss, box_loss = detector_loss(logits, boxes, heads, targets)
        loss: Tensor = score_loss + self.recipe.box_weight * box_loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise faults.diverged(
                self.folder,
                self.step + 1,
                "loss or its gradient is",
                kept=self.saved_step,
                best=None,
                lr=f"learning_rate (now {self.recipe.learning_rate:g})",
                clip=f"box_weight (now {self.recipe.box_weight:g})",
            )
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        return {
            "score_loss": float(score_loss.detach()),
            "box_loss": float(box_loss.detach()),
            "gradient": float(norm),
            "rate": rate,
        }

    def run(
        self, validation: Sequence[AnnotatedPhoto], report: Callable[[dict[str, Any]], None] = lambda values: None
    ) -> None:
        """Train to the recipe's last step, with checkpoints and validation. `report` gets each line of metrics.

        Raises TrainingError where a loss is not finite, the disk is full, or another training writes to the folder.
        """
        with faults.alone_in(self.folder):
            self._run(validation, report)

    def _run(self, validation: Sequence[AnnotatedPhoto], report: Callable[[dict[str, Any]], None]) -> None:
        began = time.perf_counter()
        while self.step < self.recipe.steps:
            values: dict[str, Any] = {"step": self.step + 1, **self.advance()}
            values["seconds"] = round(time.perf_counter() - began, 2)
            last = self.step == self.recipe.steps
            if validation and (last or self.step % self.recipe.validate_every == 0):
                photos = validation if last else validation[: self.recipe.validate_photos]
                values["val_ap50"] = average_precision(self.average.network, photos)
            with faults.writing(self.folder, self.step):
                append_metrics(self.folder / METRICS, values)
            report(values)
            if last or self.step % self.recipe.checkpoint_every == 0:
                with faults.writing(self.folder, self.step):
                    self.save()

    def metrics(self) -> dict[str, float]:
        """The last validation that was logged, or nothing."""
        path = self.folder / METRICS
        lines = [json_value(line) for line in path.read_text().splitlines()] if path.exists() else []
        scored = [line for line in lines if "val_ap50" in line]
        return {"step": float(scored[-1]["step"]), "val_ap50": float(scored[-1]["val_ap50"])} if scored else {}


@torch.no_grad()
def average_precision(
    network: nn.Module, photos: Sequence[AnnotatedPhoto], scale: float = 1.5, smallest: float = 10.0
) -> float:
    """AP50 of heads of at least `smallest` pixels, each photo seen once, at `scale`; for following a run."""
    network.eval()
    found: list[Detections] = []
    for photo in photos:
        canvas, _ = letterbox(photo.image(), scale)
        logits, boxes = network(torch.from_numpy(canvas)[None])
        scores = logits[0].sigmoid().double().numpy()
        good = np.argsort(-scores, kind="stable")[:1000]
        good = good[scores[good] > 0.02]
        own = boxes[0].double().numpy()[good] / scale
        kept = non_maximum_suppression(own, scores[good], 0.5)
        found.append(Detections(own[kept], scores[good][kept]))
    curve = precision_recall(found, [photo.boxes for photo in photos], band=(smallest, float("inf")))
    return curve.average_precision
