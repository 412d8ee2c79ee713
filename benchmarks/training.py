"""Where the time of a training step goes, for the supervised and the semi-supervised part of a recipe.

    python benchmarks/training.py [--config settings/Synth_WildHeads.yml] [--workers 2] [--threads N] [--steps 30] [--store FOLDER]

The trainer is the real one, with its loaders; only its stores are replaced, by `--store` or by heads that this makes up, and
weights begin at random. "distribution" is everything that computes with matrix Fisher distributions, its gradients included:
they are taken at once, and handed to the backward pass, which then is that of the network alone. Wall-clock time: measure on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from loader import RECIPE, make_store
from torch import Tensor

from semiuhpe.training.ema import AveragedNetwork
from semiuhpe.training.pose.recipe import LabelledData, Recipe, SemiSupervisedRecipe, UnlabelledData
from semiuhpe.training.pose.recipe_file import read_recipe
from semiuhpe.training.pose.stage import Stage
from semiuhpe.training.pose.teachers import Teachers
from semiuhpe.training.pose.threshold import Threshold
from semiuhpe.training.pose.trainer import Trainer

PARTS = ("data wait", "teacher", "student forward", "distribution", "backward", "optimizer, average")
TARGETS = {"data wait": 0.05, "distribution": 0.03}
WARM = 4
"""Steps that are not counted."""


class Clock:
    """Seconds of each part, and of all steps that count."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.begin = self.total = 0.0

    @staticmethod
    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    def restart(self) -> None:
        """What was measured before does not count."""
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.begin = self.now()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begin = self.now()
        yield
        self.seconds[name] += self.now() - begin

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, and its time added to a part."""

        def run(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*arguments, **named)

        return run

    def waiting(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches, and the time until each is there."""
        while True:
            with self.part("data wait"):
                batch = next(batches, self)
            if batch is self:
                return
            yield batch

    def loss(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """A stage's loss, whose parameters get their gradient at once. Each head's loss is its own."""

        def run(stage: Stage, parameter: Tensor, *arguments: Any) -> Tensor:
            with self.part("distribution"):
                own = parameter.detach().requires_grad_()
                value = function(stage, own, *arguments)
                (gradient,) = torch.autograd.grad(value.sum(), own)
                return _WithGradient.apply(parameter, value.detach(), gradient)

        return run


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * above.reshape(-1, *[1] * (gradient.ndim - 1)), None, None


class ProfiledTrainer(Trainer):
    """The trainer, with a clock at its parts."""

    def __init__(self, recipe: Recipe, clock: Clock) -> None:
        super().__init__(recipe, progress=False)
        self.clock = clock
        begun: list[float] = []

        # The teacher is a copy, hooks included.
        def before(module: Any, _: Any) -> None:
            if module is self.network and module.training:
                begun.append(clock.now())

        def after(module: Any, _: Any, __: Any) -> None:
            if module is self.network and module.training:
                clock.seconds["student forward"] += clock.now() - begun.pop()

        self.network.register_forward_pre_hook(before)
        self.network.register_forward_hook(after)
        fabric: Any = self.fabric
        fabric.backward = clock.timed("backward", fabric.backward)
        fabric.clip_gradients = clock.timed("optimizer, average", fabric.clip_gradients)
        for name in ("step", "zero_grad"):
            setattr(self.optimizer, name, clock.timed("optimizer, average", getattr(self.optimizer, name)))

    def _labelled_batches(self) -> Iterator[Any]:
        return self.clock.waiting(super()._labelled_batches())

    def _unlabelled_batches(self) -> Iterator[Any]:
        return self.clock.waiting(super()._unlabelled_batches())

    def _train_step(self, *arguments: Any) -> Any:
        result = super()._train_step(*arguments)
        if self.step + 1 == WARM:
            self.clock.restart()
        self.clock.total = self.clock.now() - self.clock.begin
        return result


def profile(recipe: Recipe) -> Clock:
    """Train, and watch."""
    clock = Clock()

    with ExitStack() as stack:
        for owner, name, watched in (
            (Teachers, "ask", clock.timed("teacher", Teachers.ask)),
            (Stage, "supervised", clock.loss(Stage.supervised)),
            (Stage, "unsupervised", clock.loss(Stage.unsupervised)),
            (Threshold, "keep", clock.timed("distribution", Threshold.keep)),
            (AveragedNetwork, "update", clock.timed("optimizer, average", AveragedNetwork.update)),
        ):
            stack.enter_context(mock.patch.object(owner, name, watched))
        ProfiledTrainer(recipe, clock).train()
    return clock


def shortened(recipe: Recipe, folder: Path, store: Path, options: argparse.Namespace, *, semi: bool) -> Recipe:
    """A few steps of the recipe on one store, all of them in the second stage or without one."""
    second = recipe.semi or SemiSupervisedRecipe()
    second = replace(
        second, unlabelled=[UnlabelledData(str(store))], stage1_steps=0, stage_steps=10**9, threshold_limit=64
    )
    steps = options.steps + WARM
    return replace(
        recipe,
        run=str(folder / ("semi" if semi else "supervised")),
        steps=steps,
        labelled=[LabelledData(str(store), validate=False)],
        initial_weights="",
        model=replace(recipe.model, pretrained=False),
        semi=second if semi else None,
        validate_every=steps,
        checkpoint_every=steps,
        log_every=steps,
        warm_steps=0,
        workers=options.workers,
        threads=options.threads,
        devices=1,
        nodes=1,
        tensorboard=False,
    )


def main() -> None:
    """Print a table, and whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=RECIPE)
    parser.add_argument("--store", type=Path, help="folder of a head store with labels; without: made-up heads")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    recipe = read_recipe(options.config)
    clocks = {}
    with tempfile.TemporaryDirectory() as folder:
        store = options.store or make_store(Path(folder, "store"))
        for semi in (False, True):
            name = "semi-supervised" if semi else "supervised"
            clocks[name] = profile(shortened(recipe, Path(folder), store, options, semi=semi))
    print(
        f"{options.config.name}: {recipe.model.backbone}, {recipe.model.image_size} pixels, {recipe.batch_size} labelled heads, "
        f"{recipe.precision}, {options.threads} thread(s), {options.workers} workers; ms a step"
    )
    print(f"| part | {' | '.join(clocks)} |\n|---|---|---|")
    for part in PARTS:
        shares = (
            f"{1e3 * c.seconds[part] / options.steps:.1f} ({c.seconds[part] / c.total:.1%})" for c in clocks.values()
        )
        print(f"| {part} | {' | '.join(shares)} |")
    other = (c.total - math.fsum(c.seconds.values()) for c in clocks.values())
    print(f"| other | {' | '.join(f'{1e3 * seconds / options.steps:.1f}' for seconds in other)} |")
    print(f"| all | {' | '.join(f'{1e3 * c.total / options.steps:.1f}' for c in clocks.values())} |\n")
    for part, limit in TARGETS.items():
        for name, clock in clocks.items():
            share = clock.seconds[part] / clock.total
            print(f"{part} below {limit:.0%} of a {name} step: {'yes' if share < limit else 'NO'} ({share:.2%})")


if __name__ == "__main__":
    main()
