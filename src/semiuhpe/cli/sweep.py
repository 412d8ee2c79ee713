"""`semiuhpe sweep`: a recipe and variants of it, trained over seeds and compared head by head."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from semiuhpe.cli.parser import CommandParser
from semiuhpe.errors import RecipeError
from semiuhpe.files.names import safe_name


def build_parser() -> CommandParser:
    """The options of `semiuhpe sweep`."""
    parser = CommandParser(
        prog="semiuhpe sweep",
        description="Train a recipe and variants of it, each once for every seed, and print by how much the mean error on "
        "validation heads changes, with a 95 % interval. Run it again to go on: what is finished is read. semiuhpe train --help lists the keys.",
        examples=[
            "semiuhpe sweep --config recipe.yml --variant optimizer.lr=0.002 --variant batch_size=64 --steps 1000"
        ],
    )
    parser.add_argument("--config", type=Path, required=True, help="the recipe, which variants are compared with")
    parser.add_argument(
        "--variant",
        action="append",
        nargs="+",
        required=True,
        metavar="KEY=VALUE",
        help="keys of the recipe that one variant changes, such as optimizer.lr=0.001; repeat for further variants",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings of each variant")
    parser.add_argument("--steps", type=int, help="of each training (default: the recipe's)")
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"), help="folder of the runs")
    return parser


def main(argv: list[str]) -> int:
    """Train what is missing, and print a table. Returns 0. Raises RecipeError before any training for what cannot be."""
    args = build_parser().parse_args(argv)
    from semiuhpe.cli.train import read_recipe
    from semiuhpe.training.pose import recipe as recipes
    from semiuhpe.training.pose.paired import errors_of, heading, rows
    from semiuhpe.training.pose.recipe_checks import check

    def recipe_of(keys: Sequence[str], seed: int) -> recipes.Recipe:
        wrong = [key for key in keys if "=" not in key.strip("=")]
        if wrong:
            raise RecipeError(f"--variant {wrong[0]}: say KEY=VALUE, such as optimizer.lr=0.001")
        recipe, _ = read_recipe(["--config", str(args.config), *(f"--{key}" for key in keys)])
        recipe.run = str(args.out / f"{safe_name(' '.join(keys) or 'as it is')}_{seed}")
        recipe.seed, recipe.steps = seed, args.steps or recipe.steps
        recipe.validate_every = recipe.steps
        check(recipe)
        return recipe

    variants = [[], *args.variant]
    planned = [[recipe_of(keys, seed) for seed in args.seeds] for keys in variants]
    folders = [recipe.run for runs in planned for recipe in runs]
    if len(set(folders)) < len(folders):
        raise RecipeError("two trainings of the sweep are the same; give each variant and seed once")
    progress = sys.stderr.isatty()
    reference = [errors_of(recipe, progress=progress) for recipe in planned[0]]
    print(heading("as it is"), flush=True)
    for keys, runs in zip(variants[1:], planned[1:], strict=True):
        found = [errors_of(recipe, progress=progress) for recipe in runs]
        for head, *cells in rows(reference, found):
            print(f"| {' '.join(keys)}: {head} | {' | '.join(cells)} |", flush=True)
    return 0
