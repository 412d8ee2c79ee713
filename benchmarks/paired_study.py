"""What does one change of a recipe do? Variants of a training that share seeds, steps and start, compared head by head.

    python benchmarks/paired_study.py --config RECIPE.yml --steps 2000 --seeds 0 1 2 --out runs/paired
        --variants "plain labels" "labels with noise"                  # the first one is what the others are compared with

Every variant is trained once for each seed, from the recipe's own initial weights, and its averaged weights of the last step
(not the best ones, whose choice would be luck of its own) are measured on validation heads: the val splits of the labelled
stores and what the recipe lists under `validation`. No test set is looked at. A table says by how many degrees the mean
error changes, with a 95 % interval from resampling subjects with all their heads (a photo without a subject is one by
itself), and the change of each seed: what differs in sign between seeds is no effect.
Run it again to continue: what is finished is read, what was interrupted goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from semiuhpe.training.pose.paired import errors_of, heading, rows
from semiuhpe.training.pose.recipe import Recipe, SemiSupervisedRecipe
from semiuhpe.training.pose.recipe_file import read_recipe


def _labels(**changes: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, labelled=[replace(data, **changes) for data in recipe.labelled])


def _semi(ramp: int = 0, **changes: Any) -> Callable[[Recipe], Recipe]:
    """ramp: steps over which the weight of the unsupervised loss grows. changes: of `recipe.semi`."""

    def changed(recipe: Recipe) -> Recipe:
        whole = recipe.semi or SemiSupervisedRecipe()
        loss = replace(recipe.loss, lambda_ramp_steps=ramp)
        return replace(recipe, semi=replace(whole, **changes), loss=loss)

    return changed


PLAIN: dict[str, Any] = {
    "threshold": "dynamic", "balanced": False, "teacher_mirror": False, "teacher_crops": 1, "agreement_deg": 0.0,
    "teacher_weights": "",
}  # fmt: skip
VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    "as it is": lambda recipe: recipe,
    "plain labels": _labels(noise=False, sigma_deg=0.0),
    "labels with noise": _labels(noise=True),
    "upright": lambda recipe: replace(recipe, view=replace(recipe.view, any_rotation=0.0)),
    "every fifth at any roll": lambda recipe: replace(recipe, view=replace(recipe.view, any_rotation=0.2)),
    "every third at any roll": lambda recipe: replace(recipe, view=replace(recipe.view, any_rotation=0.33)),
    "no unlabelled heads": lambda recipe: replace(recipe, semi=None),
    "paper": _semi(**PLAIN),
    "fixed threshold": _semi(**{**PLAIN, "threshold": "fixed"}),
    "balanced threshold": _semi(**{**PLAIN, "balanced": True}),
    "running threshold": _semi(**{**PLAIN, "balanced": True, "threshold": "running"}),
    "mirrored teacher": _semi(**{**PLAIN, "teacher_mirror": True}),
    "two crops": _semi(**{**PLAIN, "teacher_crops": 2}),
    "agreement within 15°": _semi(**{**PLAIN, "teacher_crops": 2, "agreement_deg": 15.0}),
    "ramp of 500 steps": _semi(**PLAIN, ramp=500),
    "further teacher alone": _semi(**PLAIN),
    "further teacher, half": _semi(**PLAIN, teacher_weights_share=0.5),
    "all parts": _semi(
        500,
        **{
            **PLAIN,
            "balanced": True,
            "threshold": "running",
            "teacher_mirror": True,
            "teacher_crops": 2,
            "agreement_deg": 15.0,
        },
    ),
}
"""What becomes of the recipe. The parts of a second stage are added to the paper's one by one."""


def cell(base: Recipe, name: str, seed: int, args: argparse.Namespace) -> Recipe:
    """The recipe of one training."""
    steps = args.steps or base.steps
    folder = args.out / f"{name.replace(' ', '_').replace('°', 'deg')}_{seed}"
    changed = VARIANTS[name](replace(base, run=str(folder), seed=seed, steps=steps, validate_every=steps))
    if name.startswith("further teacher") and changed.semi is not None:
        changed = replace(changed, semi=replace(changed.semi, teacher_weights=str(args.teacher)))
    return changed


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, and print a table for each variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="the recipe that variants are made of")
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS), required=True, help="the first is the reference"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--out", type=Path, default=Path("runs/paired"))
    parser.add_argument("--teacher", type=Path, help="weights of the variants with a further teacher")
    args = parser.parse_args(arguments)
    if args.teacher is None and any(name.startswith("further teacher") for name in args.variants):
        parser.error("a further teacher needs its weights; give --teacher FILE")
    base = read_recipe(args.config)
    reference, *others = args.variants
    first = [errors_of(cell(base, reference, seed, args)) for seed in args.seeds]
    print(heading(reference))
    for name in others:
        runs = [errors_of(cell(base, name, seed, args)) for seed in args.seeds]
        for head, *cells in rows(first, runs):
            print(f"| {name}: {head} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
